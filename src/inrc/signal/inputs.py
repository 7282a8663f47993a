"""A picture from whatever a user holds: ours, Pillow's, an array of any library, or where to read one."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from inrc.errors import UnsupportedImageError
from inrc.names import one_line
from inrc.signal.exif import exif_of_tiff, upright_exif
from inrc.signal.image import STRIP, Image, read_image
from inrc.signal.orientation import ORIENTATION_TAG, stated_orientation, valid_orientation
from inrc.signal.pillow import EXPANDED_MODES
from inrc.signal.profiles import fitted
from inrc.signal.raster import native, upright, without_warnings
from inrc.signal.sources import ByteSource
from inrc.signal.xmp import upright_xmp

if TYPE_CHECKING:
    import PIL.Image


@runtime_checkable
class HasArray(Protocol):
    """An array of a library that gives it to NumPy: of JAX, PyTorch, TensorFlow, CuPy and others."""

    def __array__(self, *arguments: Any, **keywords: Any) -> np.ndarray:
        """The array in NumPy."""
        ...


@runtime_checkable
class HasArrayInterface(Protocol):
    """An array of a library that describes its memory to NumPy; Pillow's pictures do so too."""

    @property
    def __array_interface__(self) -> dict[str, Any]:
        """The description of the memory."""
        ...


@runtime_checkable
class HasDlpack(Protocol):
    """An array of a library that lends its memory by DLPack."""

    def __dlpack__(self, *arguments: Any, **keywords: Any) -> Any:
        """The capsule of the memory."""
        ...


ImageLike = Image | np.ndarray | ByteSource | HasArray | HasArrayInterface | HasDlpack
"""All that `image_of` takes."""

_WITH_ALPHA = {"L": "LA", "RGB": "RGBA"}


def image_of(source: ImageLike, *, metadata: str = STRIP) -> Image:
    """Returns the picture that a user means.

    Args:
      source: an `Image`; pixels [H, W, C] of 8 or 16 bits in an array of NumPy or of a library that gives its arrays to
        NumPy; a Pillow picture, of which the current frame is taken, upright and with its profile by the rules of
        `read_image`; or what `inrc.read_image` takes.
      metadata: "keep" gives EXIF and XMP of files and Pillow pictures too; "strip" does not. An `Image` stays as it is.

    Raises:
      ImageError: It cannot be read, or is of a kind that inrc does not hold.
    """
    if isinstance(source, Image):
        return source
    if isinstance(source, np.ndarray):
        return Image(native(source))
    if _is_file(source):
        return read_image(source, metadata=metadata)  # pyright: ignore[reportArgumentType]
    if _is_of_pillow(source):
        return _of_pillow(source, metadata)  # pyright: ignore[reportArgumentType]
    if isinstance(source, HasArray | HasArrayInterface | HasDlpack):
        return Image(native(_as_numpy(source)))
    raise UnsupportedImageError(
        f"a {type(source).__name__} is no picture; give a path, the bytes of a file, an open file, a Pillow picture or "
        "an array [H, W, C] of uint8 or uint16"
    )


def is_one_picture(value: object) -> bool:
    """Whether a value stands for one picture, although some of them can be iterated over: paths, files and arrays."""
    if isinstance(value, Image) or _is_file(value) or _is_of_pillow(value):
        return True
    return isinstance(value, HasArray | HasArrayInterface | HasDlpack) and getattr(value, "ndim", 3) in (2, 3)


def _is_file(value: object) -> bool:
    """Whether a value is where the bytes of a file can be read from."""
    return isinstance(value, str | os.PathLike | bytes | bytearray | memoryview) or hasattr(value, "read")


def _is_of_pillow(value: object) -> bool:
    return "PIL.Image" in sys.modules and isinstance(value, sys.modules["PIL.Image"].Image)


def _as_numpy(array: HasArray | HasArrayInterface | HasDlpack) -> np.ndarray:
    try:
        return np.asarray(array) if isinstance(array, HasArray | HasArrayInterface) else np.from_dlpack(array)
    except Exception as error:  # every library has its own way of saying that an array lies on an accelerator
        reason = one_line(error) or type(error).__name__
        raise UnsupportedImageError(
            f"a {type(array).__name__} does not become an array of NumPy ({reason}); copy it to the CPU first"
        ) from error


def _of_pillow(picture: PIL.Image.Image, metadata: str) -> Image:
    with without_warnings():
        picture.load()  # Pillow turns TIFF upright when it is loaded
        stated = valid_orientation(picture.getexif().get(ORIENTATION_TAG))
    packets = [picture.info.get(name) or b"" for name in ("xmp", "XML:com.adobe.xmp")]
    packets = [packet.encode() if isinstance(packet, str) else bytes(packet) for packet in packets]
    pixels = _pillow_pixels(picture)
    pixels = upright(pixels.reshape(*pixels.shape[:2], -1), stated or stated_orientation(xmp=packets))
    profile = picture.info.get("icc_profile")
    profile = fitted(profile if isinstance(profile, bytes) else b"", pixels.shape[2])
    if metadata == STRIP:
        return Image(pixels, profile)
    return Image(pixels, profile, upright_exif(_pillow_exif(picture)), upright_xmp(next(filter(None, packets), b"")))


def _pillow_exif(picture: PIL.Image.Image) -> bytes:
    """The EXIF block of a Pillow picture; of a TIFF, whose tags Pillow has read, what describes the picture."""
    block = picture.info.get("exif")
    if isinstance(block, bytes):
        return block
    with contextlib.suppress(Exception), without_warnings():  # tags of a damaged file may not be writable
        return exif_of_tiff(picture.getexif().tobytes().removeprefix(b"Exif\x00\x00"))
    return b""


def _pillow_pixels(picture: PIL.Image.Image) -> np.ndarray:
    """Samples [H, W] or [H, W, C] of a Pillow picture, palettes and transparent colours expanded."""
    transparent = picture.info.get("transparency")
    if picture.mode.startswith("I"):  # gray of 16 bits, which some of Pillow's readers widen to 32
        values = np.asarray(picture)
        if values.min() < 0 or values.max() > np.iinfo(np.uint16).max:
            raise UnsupportedImageError(
                f"its samples lie in {values.min()}..{values.max()}; bring them to 0..65535, or convert it to RGB first"
            )
        gray = values.astype(np.uint16)
        if not isinstance(transparent, int):
            return gray
        return np.stack([gray, np.where(values == transparent, 0, 65535).astype(np.uint16)], axis=-1)
    if picture.mode not in EXPANDED_MODES:
        raise UnsupportedImageError(f"its colours are {picture.mode}; convert it to gray or RGB first")
    mode = EXPANDED_MODES[picture.mode]
    if transparent is not None:
        mode = _WITH_ALPHA.get(mode, mode)
    return np.array(picture if picture.mode == mode else picture.convert(mode))
