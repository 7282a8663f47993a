"""The families that this process can decode, by the type of their networks."""

from inrc.codec.coordinate.format import CoordinateFormat
from inrc.codec.family_format import FamilyFormat
from inrc.codec.latent.format import LatentFormat
from inrc.codec.reference import Reference
from inrc.config import NetworkConfig
from inrc.errors import ConfigError
from inrc.shared_init import SharedInit

_formats: dict[type, FamilyFormat] = {own.network: own for own in (CoordinateFormat(), LatentFormat())}


def register(own: FamilyFormat) -> None:
    """Adds a family.

    Raises:
      ConfigError: The type of its networks is taken.
    """
    if own.network in _formats:
        raise ConfigError(f"there is a family of {own.network.__name__} already; register each type once")
    _formats[own.network] = own


def format_of(model: NetworkConfig) -> FamilyFormat:
    """The format of a network's family.

    Raises:
      ConfigError: Its type is not registered.
    """
    if type(model) not in _formats:
        raise ConfigError(f"{type(model).__name__} is no registered network; register its family first")
    return _formats[type(model)]


def reference_of(init: SharedInit, shape: tuple[int, int], n_channels: int) -> Reference:
    """The weights of an init that a picture's network has.

    Args:
      init: the init.
      shape: (height, width) of the picture, as the network sees it.
      n_channels: of the picture.

    Raises:
      ConfigError: The picture has channels or frequencies that the init lacks.
    """
    own = format_of(init.model)
    reason = own.misfit(init, shape, n_channels)
    if reason:
        raise ConfigError(f"the shared init {init.id.hex()} {reason}; use another init or none (--init none)")
    matrices = own.matrices_of_init(init, shape, n_channels)
    return Reference(init, *matrices, own.rates_of_init(init, shape, n_channels))
