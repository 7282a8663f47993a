"""Everything that decides the bytes of files, as JSON values and as one digest."""

import dataclasses
import enum
import hashlib
import json
import math
from importlib.metadata import version
from typing import Any

from inrc import presets, shared_init
from inrc.bitstream import header
from inrc.codec.families import choose_init, named, resolve
from inrc.codec.options import AUTO_INIT, NO_INIT, EncodeOptions
from inrc.signal.image import STRIP

REFERENCE_SHAPE = (512, 768)
"""(height, width) of the picture whose network and fit stand for all."""


def settings(options: EncodeOptions, shape: tuple[int, int] = REFERENCE_SHAPE) -> dict[str, Any]:
    """Options as JSON values, with the network and the fit that they lead to for an RGB picture of `shape`.

    The latter are in the record because a preset may change while the options stay the same.
    """
    n_pixels = math.prod(shape)
    options = named(options, n_pixels)
    bpp = options.bpp(n_pixels)
    init = choose_init(options, shape, 3, bpp)
    resolved = resolve(options, shape, 3, bpp, init)
    options = dataclasses.replace(options, colour=resolved.colour)
    given = {
        field.name: getattr(options, field.name)
        for field in dataclasses.fields(options)
        if field.name not in ("model", "fit", "init") and getattr(options, field.name) is not None
    }
    if options.metadata == STRIP:
        del given["metadata"]  # as it was before there was a choice: settings of the same files stay the same
    if init is not None:
        given["init"] = init.id.hex()
    return _plain({**given, "model": resolved.model, "fit": resolved.config})


def _plain(value: Any) -> Any:
    """Dataclasses, enumerations and tuples as JSON values; JSON has no infinity, which becomes a word."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, enum.Enum):
        return value.name.lower()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(part) for part in value]
    return f"{value.__module__}.{value.__qualname__}" if callable(value) else value


def settings_hash(options: EncodeOptions) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of `settings`, the release, the format and the inits at hand.

    Raises:
      InitMismatchError: The init that the options name is not there.
    """
    if options.names_init:
        init = shared_init.by_name(options.init)
        # The init's channels and frequencies may not be those of the picture that stands for all.
        values = settings(dataclasses.replace(options, init=NO_INIT, model=init.model))
        inits = [init.sha256]
    else:
        values = settings(options)
        if options.codec == presets.AUTO_CODEC and options.model is None and options.fit is None:
            values["small"] = settings(dataclasses.replace(options, codec=presets.SMALL_CODEC))
        inits = [init.sha256 for init in shared_init.shipped(options.codec)] if options.init == AUTO_INIT else []
    values |= {"inrc": version("inrc"), "format": header.VERSION, "inits": inits}
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]
