"""`import inrc.pillow`, and Pillow opens and saves `.inr` files.

For example::

    with Image.open("photo.inr") as picture:
        picture.thumbnail((256, 256))  # decoded at this size, not decoded whole and then reduced
    Image.open("photo.jpg").save("photo.inr", quality=50, effort=4)

A picture is decoded when its pixels are first asked for. Like Pillow's own readers, this one raises `OSError` for files
that are damaged or truncated. Pillow has no type for colours of 16 bits: they are opened with 8. Gray keeps its 16 bits
as mode `I;16`.
"""

import dataclasses
import math
from io import BytesIO
from typing import IO, Any

import PIL.Image
from PIL import ImageFile

from inrc.bitstream.header import MAGIC, MIME_TYPE
from inrc.bitstream.limits import DecodeLimits
from inrc.codec import file as files
from inrc.codec.decode import decode
from inrc.errors import ConfigError
from inrc.plug_ins import facts_of, oserrors
from inrc.signal.exif import upright_exif
from inrc.signal.image import STRIP, Image, from_unit, to_unit
from inrc.signal.xmp import upright_xmp

FORMAT = "INR"
_MODES = ("L", "LA", "RGB", "RGBA")


class InrImageFile(ImageFile.ImageFile):
    """An `.inr` file that Pillow has opened.

    `info` has `icc_profile`, `exif` and `xmp` if the file holds them, the network in words as `codec`, `bpp` and
    `bit_depth`.
    """

    format = FORMAT
    format_description = "implicit neural image"

    def _open(self) -> None:
        assert self.fp is not None
        data = self.fp.read()
        if not _accepts(data):
            raise SyntaxError("not an INR file")  # by which Pillow knows that another reader may open it
        with oserrors():
            opened = files.open_bytes(data, DecodeLimits())
            held = files.sections_of(opened, DecodeLimits())
        header = opened.header
        self._file, self._is_decoded = data, False
        self._size = self._native_size = header.width, header.height
        self._mode = _mode_of(header.channels, header.bit_depth)
        self.info |= facts_of(opened, len(data))
        blocks = {"icc_profile": held.icc_profile, "exif": upright_exif(held.exif), "xmp": upright_xmp(held.xmp)}
        self.info |= {name: block for name, block in blocks.items() if block}

    def draft(self, mode: str | None, size: tuple[int, int] | None) -> tuple[str, tuple[int, int, float, float]] | None:
        """Chooses the size at which the picture is decoded: the smallest of its shape that has `size` in both sides.

        `Image.thumbnail` calls this. As with JPEG, no picture becomes larger than it is; `rendered` does that.

        Args:
          mode: ignored.
          size: least (width, height) in pixels.
        """
        if size is None or self._is_decoded:
            return None
        scale = min(1.0, max(asked / native for asked, native in zip(size, self._native_size, strict=True)))
        width, height = (max(1, math.ceil(native * scale - 1e-9)) for native in self._native_size)
        self._size = width, height
        return self.mode, (0, 0, width, height)

    def load(self) -> Any:
        """Decodes the picture, the first time.

        Raises:
          OSError: It cannot be decoded.
        """
        if not self._is_decoded:
            with oserrors():
                image = decode(self._file, size=self._size)
            if self.fp and self._exclusive_fp:
                self.fp.close()
            self.fp = BytesIO(_samples(image))
            self.tile = [ImageFile._Tile("raw", (0, 0, *self._size), 0, self.mode)]
            self._is_decoded = True
        return super().load()

    def load_seek(self, pos: int) -> None:
        """Does nothing: the samples are in memory."""

    def rendered(
        self,
        *,
        size: tuple[int, int] | None = None,
        scale: float | None = None,
        region: tuple[float, float, float, float] | None = None,
    ) -> PIL.Image.Image:
        """Decodes the picture, or a region of it, at any size; arguments are those of `inrc.decode`.

        Raises:
          OSError: It cannot be decoded.
          ConfigError: The size, scale or region makes no sense for this picture.
        """
        with oserrors():
            image = decode(self._file, size=size, scale=scale, region=region)
        picture = PIL.Image.frombytes(self.mode, (image.width, image.height), _samples(image))
        picture.info |= self.info
        return picture


def _accepts(prefix: bytes) -> bool:
    return prefix.startswith(MAGIC)


def _mode_of(channels: int, bit_depth: int) -> str:
    return "I;16" if (channels, bit_depth) == (1, 16) else _MODES[channels - 1]


def _samples(image: Image) -> bytes:
    """The samples as Pillow's mode for the picture has them."""
    if image.bit_depth == 16 and image.channels > 1:
        return from_unit(to_unit(image.pixels), 8).tobytes()
    return image.pixels.astype(image.pixels.dtype.newbyteorder("<")).tobytes()


def _save(picture: PIL.Image.Image, stream: IO[bytes], filename: str | bytes) -> None:
    """Encodes a picture; `Image.save` takes the options of `inrc.encode` by their names, and `icc_profile`.

    Raises:
      ConfigError: An option makes no sense, or a lossless file is asked for.
      OSError: The picture cannot be encoded.
    """
    from inrc.codec.encode import encode
    from inrc.codec.options import EncodeKeywords
    from inrc.signal.inputs import image_of
    from inrc.signal.profiles import fitted

    options = picture.encoderinfo
    if options.get("lossless"):
        raise ConfigError("an .inr file is never lossless; leave lossless out, or save a PNG")
    keywords: Any = {name: options[name] for name in EncodeKeywords.__annotations__ if name in options}
    with oserrors():
        image = image_of(picture, metadata=options.get("metadata", STRIP))
        if "icc_profile" in options:
            image = dataclasses.replace(image, icc_profile=fitted(options["icc_profile"] or b"", image.channels))
        stream.write(encode(image, **keywords).data)


PIL.Image.register_open(FORMAT, InrImageFile, _accepts)
PIL.Image.register_save(FORMAT, _save)
PIL.Image.register_extension(FORMAT, ".inr")
PIL.Image.register_mime(FORMAT, MIME_TYPE)
