"""Files of boxes for the tests, and codestreams of JPEG XL that its reference encoder has written."""

import io
import struct

import numpy as np
from PIL import Image as PillowImage

QUARTERS = np.repeat(
    np.repeat(np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [255, 255, 255]]], np.uint8), 20, 0), 32, 1
)
"""40 rows of 64 pixels: red and green above blue and white."""

# By cjxl 0.7, lossless. QUARTERS, with orientation 6 in the codestream: a viewer turns it to the right.
TURNED = bytes.fromhex(
    "ff0a098e05028a4b0208020100a4004b386998ca83f72b4808803aff2706e50582009070b31af01724130124eaf78749ef074e28cd25458a"
)
HEADERS = {  # the beginnings of codestreams, by what cjxl calls their colours
    "RGB_D65_202_Rel_HLG": bytes.fromhex("ff0a430414906720d06300000000080802010098024b2834"),
    "RGB_D65_202_Rel_PeQ": bytes.fromhex("ff0a43041490478f381c00000000020802010098024b2834"),
    "RGB_D65_DCI_Rel_SRG": bytes.fromhex("ff0a4350402637020802010098024b2834167ea7a0608251"),
    "RGB_D65_SRG_Rel_709": bytes.fromhex("ff0a43504029020802010098024b2834167ea7a060825184"),
    "RGB_D65_SRG_Rel_Lin": bytes.fromhex("ff0a435040d1220802010098024b2834167ea7a060825184"),
    "RGB_D65_SRG_Rel_SRG": bytes.fromhex("ff0a4350240802010098024b2834167ea7a0608251843400"),
    "RGB_D65_SRG_Rel_g0.4545": bytes.fromhex("ff0a43504045cf2a8a0802010098024b2834167ea7a06082"),
    "RGB_DCI_DCI_Rel_DCI": bytes.fromhex("ff0a43508069f2230802010098024b2834167ea7a0608251"),
    "RGB_EER_SRG_Rel_SRG": bytes.fromhex("ff0a4350801837020802010098024b2834167ea7a0608251"),
    "Gra_D65_Rel_Lin": bytes.fromhex("ff0a43f010142d020802010030004b188b15800df81fa8eb"),
    "an ICC profile": bytes.fromhex("ff0a090e08e1ad6140c23c006a2a092b32c1791df3edf75a"),
}

# By avifenc 0.11, lossless: 8x8 pixels of (200, 100, 40), multiplied by an alpha of 255 above, and 128 and 64 below.
PREMULTIPLIED_AVIF = bytes.fromhex(
    "00000020667479706176696600000000617669666d6966316d6961664d4131410000019b6d65746100000000000000286864"
    "6c720000000000000000706963740000000000000000000000006c696261766966000000000e7069746d0000000000010000"
    "002c696c6f630000000044000002000100000001000001dd00000032000200000001000001c30000001a0000004269696e66"
    "0000000000020000001a696e6665020000000001000061763031436f6c6f72000000001a696e666502000000000200006176"
    "3031416c706861000000002869726566000000000000000e7072656d0001000100020000000e6175786c0002000100010000"
    "00c3697072700000009d6970636f000000146973706500000000000000080000000800000010706978690000000003080808"
    "0000000c617631438120000000000013636f6c726e636c780001000d0000800000000e706978690000000001080000000c61"
    "76314381001c0000000038617578430000000075726e3a6d7065673a6d706567423a636963703a73797374656d733a617578"
    "696c696172793a616c706861000000001e69706d6100000000000000020001040102830400020401058607000000546d6461"
    "7412000a051808bf6150320f100086a2b94196162977c4e16b0d4812000a083808bf61010d002032241000008ba3d34d086e"
    "e8e0ca091b936afce5a44ff6b0323aa8429143aa607ba9d41abcb0"
)


def box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(body), kind) + body


def jxl_file(codestream: bytes, *parts: bytes) -> bytes:
    """A JPEG XL file of boxes; `parts` come before its codestream."""
    start = box(b"JXL ", b"\r\n\x87\n") + box(b"ftyp", b"jxl \x00\x00\x00\x00jxl ")
    return b"".join([start, *parts, box(b"jxlc", codestream)])


def avif_bytes(pixels: np.ndarray, **options: object) -> bytes:
    """A lossless AVIF of 8 bits. Pillow writes the orientation of `exif` as irot and imir."""
    stream = io.BytesIO()
    PillowImage.fromarray(pixels).save(stream, "AVIF", quality=100, subsampling="4:4:4", **options)
    return stream.getvalue()


def heic_bytes(pixels: np.ndarray, **options: object) -> bytes:
    """A HEIC file of 8 bits, near to lossless; of 10 bits for uint16. The orientation of `exif` becomes irot, imir."""
    import pillow_heif

    mode = {1: "L", 3: "RGB", 4: "RGBA"}[pixels.shape[2]] + (";16" if pixels.itemsize == 2 else "")
    file = pillow_heif.from_bytes(mode, pixels.shape[1::-1], np.ascontiguousarray(pixels).tobytes())
    stream = io.BytesIO()
    file.save(stream, quality=-1, chroma=444, **options)
    return stream.getvalue()


def patched(data: bytes, old: bytes, new: bytes) -> bytes:
    """A file with one field changed."""
    assert data.count(old) == 1
    assert len(old) == len(new)
    return data.replace(old, new)
