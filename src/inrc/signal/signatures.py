"""Recognises a file format by its first bytes, and names the formats that inrc does not read."""

from __future__ import annotations

from inrc.errors import UnreadableImageError, UnsupportedImageError

SIGNATURE_BYTES = 16
"""How many bytes `format_of` looks at, at most."""

_PNG = b"\x89PNG\r\n\x1a\n"
_NETPBM = {b"P1": "PBM", b"P4": "PBM", b"P2": "PPM", b"P3": "PPM", b"P5": "PPM", b"P6": "PPM"}
_OTHER_FORMATS = {  # inrc does not read these, but errors name them
    b"GIF8": "GIF",
    b"\x00\x00\x00\x0cJXS ": "JPEG XS",
    b"\x00\x00\x00\x0cjP  ": "JPEG 2000",
    b"\xff\x4f\xff\x51": "JPEG 2000",
    b"II\xbc\x01": "JPEG XR",
    b"P7": "PAM",
    b"PF": "PFM",
    b"Pf": "PFM",
    b"8BPS": "Photoshop",
    b"\x76\x2f\x31\x01": "OpenEXR",
    b"#?RADIANCE": "Radiance HDR",
    b"#?RGBE": "Radiance HDR",
    b"qoif": "QOI",
    b"farbfeld": "farbfeld",
    b"\x8aMNG": "MNG",
    b"\x8bJNG": "JNG",
    b"DDS ": "DDS",
    b"\xabKTX": "KTX",
    b"\x01\xda": "SGI",
    b"icns": "ICNS icon",
    b"\x00\x00\x01\x00": "Windows icon",
    b"\x00\x00\x02\x00": "Windows cursor or Targa",
    b"BA": "OS/2 bitmap array",
    b"SIMPLE  =": "FITS",
    b"gimp xcf": "GIMP",
    b"BPG\xfb": "BPG",
    b"FLIF": "FLIF",
    b"AT&TFORM": "DjVu",
    b"\x97JB2": "JBIG2",
    b"%PDF": "PDF",
    b"%!PS": "PostScript",
    b"<svg": "SVG",
    b"FORM": "IFF",
    b"IIU\x00": "Panasonic raw",
    b"IIRO": "Olympus raw",
    b"FUJIFILMCCD-RAW": "Fujifilm raw",
}
_BRANDS = {  # of files of boxes (ISO/IEC 14496-12): what follows `ftyp`
    b"crx ": "Canon raw",
    b"isom": "MP4 video",
    b"mp41": "MP4 video",
    b"mp42": "MP4 video",
    b"qt  ": "QuickTime video",
}


_HEIF_BRANDS = (b"avif", b"avis", b"mif1", b"mif2", b"miaf", b"msf1", b"1pic")
_HEIF_BRANDS += (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs")
_JPEG_XL = (b"\xff\x0a", b"\x00\x00\x00\x0cJXL ")


def format_of(start: bytes) -> str:
    """Names the format that a file's first bytes announce.

    Returns:
        PNG, JPEG, WEBP, TIFF, BMP, PPM (with PGM), PBM, HEIF (with AVIF) or JXL.

    Raises:
        UnsupportedImageError: If they announce a picture of another format.
        UnreadableImageError: If they announce no picture.
    """
    if start.startswith(_PNG):
        return "PNG"
    if start.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if start.startswith(b"RIFF") and start[8:12] == b"WEBP":
        return "WEBP"
    if start[:4] in (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+"):
        return "TIFF"
    if start.startswith(b"BM"):
        return "BMP"
    if start[:2] in _NETPBM and start[2:3] in (b" ", b"\t", b"\r", b"\n", b"\v", b"\f", b"#"):
        return _NETPBM[start[:2]]
    if start[4:8] == b"ftyp" and start[8:12] in _HEIF_BRANDS:
        return "HEIF"
    if start.startswith(_JPEG_XL):
        return "JXL"
    other = next((name for magic, name in _OTHER_FORMATS.items() if start.startswith(magic)), None)
    if start[4:8] == b"ftyp":
        other = _BRANDS.get(start[8:12], "a video or another file of ISO boxes")
    if other is not None:
        raise UnsupportedImageError(f"its format is {other}, which inrc does not read; convert it to PNG first")
    if not start:
        raise UnreadableImageError("the file is empty; copy or download it again")
    if start.startswith(b"\x89PNG"):
        raise UnreadableImageError(
            "its PNG signature is damaged, as by a transfer that changes line ends; copy it again in binary mode"
        )
    raise UnreadableImageError(
        "it is not a picture that inrc reads; use PNG, JPEG, WebP, TIFF, AVIF, HEIF, JPEG XL, BMP, PPM or PGM"
    )
