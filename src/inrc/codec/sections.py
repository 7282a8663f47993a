"""What a file holds beside the picture, in its optional sections (FORMAT.md, section 10)."""

import dataclasses
import zlib
from collections.abc import Mapping

from inrc.bitstream.container import EXIF, ICC_PROFILE, XMP
from inrc.bitstream.limits import DecodeLimits
from inrc.errors import CorruptFileError, UnsupportedImageError
from inrc.signal.image import STRIP, Image

_MAX_BYTES = DecodeLimits().max_section_bytes
_TAGS = {"icc_profile": ICC_PROFILE, "exif": EXIF, "xmp": XMP}
_WORDS = {"icc_profile": "ICC profile", "exif": "EXIF block", "xmp": "XMP packet"}


@dataclasses.dataclass(frozen=True)
class Sections:
    """The contents of the sections that decoders know; empty ones are not written.

    Attributes:
      icc_profile: what the colours mean.
      exif: an EXIF block, without a prefix.
      xmp: an XMP packet.
    """

    icc_profile: bytes = b""
    exif: bytes = b""
    xmp: bytes = b""


NO_SECTIONS = Sections()


def sections_of(image: Image, metadata: str) -> Sections:
    """What the file of a picture is to hold beside it.

    Args:
      image: the picture.
      metadata: "keep" for EXIF and XMP too, or "strip".

    Raises:
      UnsupportedImageError: One of them is larger than decoders accept.
    """
    sections = Sections(image.icc_profile)
    if metadata != STRIP:
        sections = Sections(image.icc_profile, image.exif, image.xmp)
    for name, words in _WORDS.items():
        n_bytes = len(getattr(sections, name))
        if n_bytes > _MAX_BYTES:
            remedy = "convert it to sRGB first" if name == "icc_profile" else "encode the picture with metadata 'strip'"
            raise UnsupportedImageError(
                f"its {words} has {n_bytes:,} bytes; a file holds at most {_MAX_BYTES:,}: {remedy}"
            )
    return sections


def packed(sections: Sections) -> dict[int, bytes]:
    """{tag: content} of the sections of a file, each deflated."""
    contents = {tag: getattr(sections, name) for name, tag in _TAGS.items()}
    return {tag: zlib.compress(content, 9) for tag, content in contents.items() if content}


def unpacked(contents: Mapping[int, bytes], limits: DecodeLimits) -> Sections:
    """The sections of a file from {tag: content}; those with other tags are skipped.

    Raises:
      CorruptFileError: One is no zlib stream, or does not end where its section does.
      LimitExceededError: One is larger than is granted when it is inflated.
    """
    return Sections(**{name: _inflated(contents.get(tag, b""), _WORDS[name], limits) for name, tag in _TAGS.items()})


def bytes_of(contents: Mapping[int, bytes]) -> dict[str, int]:
    """{name: bytes in the file} of the sections that are there, without their framing; unknown ones together."""
    known = {name: len(contents[tag]) for name, tag in _TAGS.items() if contents.get(tag)}
    unknown = sum(len(content) for tag, content in contents.items() if tag not in _TAGS.values())
    return known | ({"unknown": unknown} if unknown else {})


def _inflated(content: bytes, words: str, limits: DecodeLimits) -> bytes:
    if not content:
        return b""
    inflater = zlib.decompressobj()
    try:
        inflated = inflater.decompress(content, limits.max_section_bytes)
    except zlib.error as error:
        raise CorruptFileError(f"the {words} is damaged ({error}); get the file again") from error
    if not inflater.eof and len(inflated) >= limits.max_section_bytes:
        limits.check_section(limits.max_section_bytes + 1)
    if not inflater.eof or inflater.unused_data:
        raise CorruptFileError(f"the {words} does not end where its section does; get the file again")
    return inflated
