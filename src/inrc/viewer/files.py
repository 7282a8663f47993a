"""What a page needs of the files that it shows: .inr files with their shared inits, and pictures for the browser."""

import dataclasses

from inrc import shared_init
from inrc.bitstream import container
from inrc.bitstream.header import MAGIC
from inrc.bitstream.limits import DecodeLimits
from inrc.errors import UnsupportedImageError
from inrc.shared_init import FindInit
from inrc.viewer.page import Embedded

_SIGNATURES = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF8": "image/gif",
    b"BM": "image/bmp",
}
_AVIF_BRANDS = (b"avif", b"avis")


def is_inr(data: bytes) -> bool:
    """Whether bytes begin as an .inr file does."""
    return data.startswith(MAGIC)


def embedded_inr(
    name: str, data: bytes, find_init: FindInit = shared_init.find
) -> tuple[Embedded, tuple[Embedded, ...]]:
    """An .inr file for a page, and the archive of the shared init that it needs, if it needs one.

    Raises:
      FormatError: The bytes are no sound file, or ask for more than decoders grant.
      InitMismatchError: `find_init` does not find its shared init.
    """
    init = container.unpack(data, DecodeLimits(), find_init).init
    if init is None:
        return Embedded(name, data), ()
    needed = dataclasses.replace(init, rate_indices={})  # rates are for encoders
    return Embedded(name, data), (Embedded(f"{init.id.hex()}.npz", shared_init.packed(needed)),)


def embedded_picture(name: str, data: bytes) -> Embedded:
    """A picture for a page.

    Raises:
      UnsupportedImageError: It is of no format that browsers show.
    """
    media_type = next((kind for start, kind in _SIGNATURES.items() if data.startswith(start)), "")
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        media_type = "image/webp"
    if data[4:8] == b"ftyp" and data[8:12] in _AVIF_BRANDS:
        media_type = "image/avif"
    if not media_type:
        raise UnsupportedImageError(
            f"{name} is no .inr file and no picture that browsers show; convert it to PNG, JPEG, WebP or AVIF"
        )
    return Embedded(name, data, media_type)
