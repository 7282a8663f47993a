"""`import inrc.imageio`, and imageio reads and writes `.inr` files.

For example::

    iio.imread("photo.inr")  # [H, W, C], or [H, W] where it is gray; uint8 or uint16
    iio.imread("photo.inr", size=(320, 240))  # or scale=, region=, antialias=, as `inrc.decode` has them
    iio.imwrite("photo.inr", pixels, quality=50, effort=4)  # the options of `inrc.encode`

Other files than those named `.inr` are opened with `plugin="inrc"`. A file that is damaged or truncated raises an
`OSError`.
"""

from collections.abc import Iterator
from types import EllipsisType
from typing import Any

import imageio.config
import numpy as np
from imageio.config.extensions import FileExtension
from imageio.config.plugins import PluginConfig
from imageio.core.request import URI_BYTES, InitializationError, Request
from imageio.core.v3_plugin_api import ImageProperties, PluginV3

from inrc import shared_init
from inrc.bitstream.limits import DecodeLimits
from inrc.codec import file as files
from inrc.codec.decode import decode
from inrc.errors import ConfigError, NotInrFileError
from inrc.plug_ins import facts_of, oserrors

NAME = "inrc"


class InrPlugin(PluginV3):
    """Reads and writes `.inr` files for imageio; a file holds one picture."""

    def __init__(self, request: Request, **keywords: Any) -> None:
        """Opens a file.

        Args:
          request: what imageio is to open, and how.
          **keywords: `init`, the shared init that the file needs, as for `inrc.decode`.

        Raises:
          InitializationError: It is no `.inr` file.
        """
        super().__init__(request)
        self._init, self._file = keywords.pop("init", None), b""
        if keywords:
            raise TypeError(f"{next(iter(keywords))!r} is no option of opening an .inr file; the only one is 'init'")
        if request.mode.io_mode == "r":
            self._file = request.get_file().read()
            with oserrors():
                try:
                    self._opened = files.open_bytes(self._file, DecodeLimits(), shared_init.lookup_of(self._init))
                except NotInrFileError as error:
                    raise InitializationError(str(error)) from error

    def read(self, *, index: int | EllipsisType | None = None, **keywords: Any) -> np.ndarray:
        """Decodes the picture.

        Args:
          index: 0 for the picture, ... for a stack of it alone.
          **keywords: `size`, `scale`, `region` and `antialias`, as for `inrc.decode`.

        Returns:
          Pixels [H, W, C], or [H, W] where the picture is gray; uint8 or uint16.

        Raises:
          OSError: It cannot be decoded.
          ConfigError: A keyword has a value that makes no sense for this picture.
        """
        _check_index(index)
        with oserrors():
            pixels = decode(self._file, init=self._init, **keywords).pixels
        pixels = pixels[..., 0] if pixels.shape[2] == 1 else pixels
        return pixels[None] if index is ... else pixels

    def iter(self, **keywords: Any) -> Iterator[np.ndarray]:
        """Yields the picture; keywords as for `read`."""
        yield self.read(**keywords)

    def write(self, ndimage: Any, *, is_batch: bool = False, **keywords: Any) -> bytes | None:
        """Encodes a picture.

        Args:
          ndimage: pixels [H, W, C] or [H, W], uint8 or uint16; [1, H, W, C] or a list of one where `is_batch`.
          is_batch: whether the first axis counts pictures.
          **keywords: the options of `inrc.encode`.

        Returns:
          The bytes of the file where imageio was asked for bytes.

        Raises:
          ConfigError: An option makes no sense, or there is more than one picture.
          OSError: The picture cannot be encoded.
        """
        from inrc.codec.encode import encode

        if is_batch or isinstance(ndimage, list):
            if len(ndimage) != 1:
                raise ConfigError(f"{len(ndimage)} pictures for one .inr file, which holds one; write a file for each")
            ndimage = ndimage[0]
        pixels = np.asarray(ndimage)
        pixels = pixels[..., None] if pixels.ndim == 2 else pixels
        with oserrors():
            data = encode(pixels, **keywords).data
        self._request.get_file().write(data)
        return data if self._request._uri_type == URI_BYTES else None

    def properties(self, index: int | EllipsisType | None = None) -> ImageProperties:
        """Shape and type of what `read` returns, without decoding it."""
        _check_index(index)
        header = self._opened.header
        shape = (*header.shape, header.channels) if header.channels > 1 else header.shape
        dtype = np.dtype(np.uint8 if header.bit_depth == 8 else np.uint16)
        if index is ...:
            return ImageProperties((1, *shape), dtype, n_images=1, is_batch=True)
        return ImageProperties(shape, dtype)

    def metadata(self, index: int | EllipsisType | None = None, exclude_applied: bool = True) -> dict[str, Any]:
        """The network in words as `codec`, `bpp`, `bit_depth`, and `icc_profile` if there is one."""
        _check_index(index)
        with oserrors():
            profile = files.sections_of(self._opened, DecodeLimits()).icc_profile
        return facts_of(self._opened, len(self._file)) | ({"icc_profile": profile} if profile else {})


def _check_index(index: int | EllipsisType | None) -> None:
    if index is not None and index is not ... and index != 0:
        raise IndexError(f"picture {index} of an .inr file, which holds one; its index is 0")


imageio.config.known_plugins[NAME] = PluginConfig(NAME, InrPlugin.__name__, __name__)
if ".inr" not in imageio.config.known_extensions:
    _extension = FileExtension(extension=".inr", priority=[NAME], name="Implicit neural image")
    imageio.config.extension_list.append(_extension)
    imageio.config.known_extensions[".inr"] = [_extension]
