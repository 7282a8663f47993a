"""inrc: an implicit image codec.

A small network is fitted to a picture, its weights are quantised and range-coded, and the file gives the picture
back at any size.
"""

from typing import TYPE_CHECKING, Any

import inrc.forks as _forks  # watches forks from the first import on  # noqa: F401
from inrc.bitstream.limits import DecodeLimits as DecodeLimits
from inrc.errors import InrcError as InrcError
from inrc.shared_init import SharedInit as SharedInit
from inrc.signal.colour import ColourTransform as ColourTransform
from inrc.signal.image import Image as Image
from inrc.signal.image import read_image as read_image
from inrc.signal.image import write_image as write_image

if TYPE_CHECKING:
    __version__: str
    from inrc.codec.batch import encode_batch as encode_batch
    from inrc.codec.decode import Info as Info
    from inrc.codec.decode import decode as decode
    from inrc.codec.decode import info as info
    from inrc.codec.encode import encode as encode
    from inrc.codec.options import EncodeOptions as EncodeOptions
    from inrc.codec.stats import Encoded as Encoded
    from inrc.dataset.loader import open_dataset as open_dataset
    from inrc.dataset.loader import open_weights as open_weights
    from inrc.dataset.manifest import load_manifest as load_manifest
    from inrc.models.view import Antialias as Antialias

# Encoding needs the training stack, decoding does not: each is imported when it is first asked for.
_LAZY = {
    "decode": "inrc.codec.decode",
    "info": "inrc.codec.decode",
    "Info": "inrc.codec.decode",
    "encode": "inrc.codec.encode",
    "encode_batch": "inrc.codec.batch",
    "Encoded": "inrc.codec.stats",
    "EncodeOptions": "inrc.codec.options",
    "open_dataset": "inrc.dataset.loader",
    "open_weights": "inrc.dataset.loader",
    "load_manifest": "inrc.dataset.manifest",
    "Antialias": "inrc.models.view",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("inrc")
    if name in _LAZY:
        import importlib

        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'inrc' has no attribute {name!r}")
