"""The families that this process can encode with, and which of them an encode's options mean."""

import dataclasses
import math

from inrc import presets, shared_init
from inrc.bitstream import network_fields
from inrc.codec import formats
from inrc.codec.coordinate.family import CoordinateFamily
from inrc.codec.family import Family
from inrc.codec.latent.family import LatentFamily
from inrc.codec.options import AUTO_INIT, NO_INIT, EncodeOptions
from inrc.codec.plan import Resolved
from inrc.codec.reference import canvas_shape
from inrc.config import NetworkConfig
from inrc.errors import ConfigError
from inrc.shared_init import SharedInit

_families: list[Family] = [CoordinateFamily(), LatentFamily()]


def register(family: Family) -> None:
    """Adds a family with its codecs, for encoding and decoding in this process.

    Raises:
      ConfigError: Its number, the type of its networks or a name of its codecs is taken.
    """
    network_fields.register(family.fields)
    formats.register(family.format)
    for preset in family.codecs:
        presets.add(preset)
    _families.append(family)


def named(options: EncodeOptions, n_pixels: int) -> EncodeOptions:
    """The options with a codec by name where they leave the choice: the first one whose family has all they name."""
    if options.codec != presets.AUTO_CODEC:
        return options
    preferred = presets.codec_for(n_pixels)
    for name in dict.fromkeys([preferred, presets.SMALL_CODEC, presets.LARGE_CODEC, *presets.CODECS]):
        if _of_preset(presets.codec_by_name(name)).accepts(options):
            return dataclasses.replace(options, codec=name)
    return dataclasses.replace(options, codec=preferred)


def family_of(options: EncodeOptions) -> Family:
    """The family that options with a named codec mean: that of their init, of their model, or of the codec.

    Raises:
      InitMismatchError: The named init is not there.
    """
    if options.names_init:
        return family_of_model(shared_init.by_name(options.init).model)
    if options.model is not None:
        return family_of_model(options.model)
    return _of_preset(presets.codec_by_name(options.codec))


def family_of_model(model: NetworkConfig) -> Family:
    """The family of a network.

    Raises:
      ConfigError: It is of no registered family.
    """
    for family in _families:
        if isinstance(model, family.format.network):
            return family
    raise ConfigError(f"{type(model).__name__} is no registered network; register its family first")


def resolve(
    options: EncodeOptions, shape: tuple[int, ...], n_channels: int, bpp: float, init: SharedInit | None = None
) -> Resolved:
    """The network, the fit and the colour that options mean for a picture; arguments as for `Family.resolve`.

    Raises:
      ConfigError: The options contradict each other.
    """
    options = named(options, math.prod(shape))
    return family_of(options).resolve(options, shape, n_channels, bpp, init)


def _of_preset(preset: presets.Preset) -> Family:
    return next(family for family in _families if isinstance(preset, family.preset))


def choose_init(options: EncodeOptions, shape: tuple[int, int], n_channels: int, bpp: float) -> SharedInit | None:
    """The shared init that the options ask for, if they ask for one.

    Args:
      options: what is asked for.
      shape: (height, width) of the picture.
      n_channels: of the picture.
      bpp: bits per pixel that the weights, or weights and latents, should take.

    Raises:
      InitMismatchError: The named init is not there.
      ConfigError: It does not suit the picture.
    """
    if options.init == NO_INIT:
        return None
    options = named(options, math.prod(shape))
    family, canvas = family_of(options), canvas_shape(shape)
    if options.init == AUTO_INIT:
        return None if options.model is not None else family.shipped_init(options, canvas, n_channels, bpp)
    init = shared_init.by_name(options.init)
    formats.reference_of(init, canvas, n_channels)  # refuses an init that the picture cannot have
    family.check_init(options, n_channels, init)
    return init
