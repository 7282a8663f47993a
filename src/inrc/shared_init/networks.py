"""The kinds of networks that shared inits are made for: how an archive describes each, and which matrices it has.

What `described` returns is part of an init's hash, so it must never change. `bitstream/FORMAT.md`, section 13, is
normative.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from inrc.config import EncodingConfig, EncodingKind, LatentGridConfig, Model, ModelConfig, ModelFamily, WeightStorage
from inrc.errors import ConfigError
from inrc.latent_layout import latent_layout
from inrc.layout import Layout, layout


class NetworkKind(NamedTuple):
    """One kind of networks.

    Attributes:
      families: the names of its families, as archives give them in the member `family`.
      config: the type of its configurations.
      described: maps a configuration to the JSON members that describe it, `family` included.
      parsed: maps these members, which may come from a damaged file, to the configuration. It raises `KeyError`,
        `TypeError` or `ValueError` where they describe none.
      layout: maps a configuration, the canvas (height, width) and the number of outputs to (name, (rows, columns)) of
        every matrix, in the order of a file.
    """

    families: tuple[str, ...]
    config: type
    described: Callable[[Any], dict[str, object]]
    parsed: Callable[[Mapping[str, Any]], Model]
    layout: Callable[[Any, tuple[int, int], int], Layout]


def kind_of(model: Model) -> NetworkKind:
    """The kind of a network."""
    return next(kind for kind in _KINDS if isinstance(model, kind.config))


def kind_of_family(name: object) -> NetworkKind:
    """The kind that a family's name in an archive stands for.

    Raises:
      ValueError: There is none of this name.
    """
    for kind in _KINDS:
        if name in kind.families:
            return kind
    raise ValueError(f"no family of networks is called {name!r}")


def layout_of(model: Model, shape: tuple[int, int], n_outputs: int) -> Layout:
    """(name, (rows, columns)) of every matrix of a network of any kind, in the order of a file.

    Args:
      model: the network.
      shape: samples per axis of the picture that it sees, (height, width).
      n_outputs: channels of the network's outputs.
    """
    return kind_of(model).layout(model, shape, n_outputs)


def of_type(expected: type, value: Any) -> Any:
    """A JSON value, if it is of exactly this type.

    JSON has 3.0, "3" and true where a whole number is meant, and they would be hashed as something else.

    Raises:
      TypeError: It is of another type.
    """
    if type(value) is not expected:
        raise TypeError(f"{value!r} is not of type {expected.__name__}")
    return value


def _described_coordinate_network(model: ModelConfig) -> dict[str, object]:
    encoding = model.encoding
    if not isinstance(encoding, EncodingConfig) or model != dataclasses.replace(
        model, modulator=(), sampled_phases=False, storage=WeightStorage.INTEGERS
    ):
        raise ConfigError("a shared init is of a plain SIREN or Fourier network whose weights are held as integers")
    return {
        "family": model.family.name,
        "widths": list(model.widths),
        "encoding": {"kind": encoding.kind.name, "n_frequencies": encoding.n_frequencies, "sigma": encoding.sigma},
        "omega_0": model.omega_0,
        "bias": model.bias,
    }


def _parsed_coordinate_network(about: Mapping[str, Any]) -> ModelConfig:
    encoding = about["encoding"]
    return ModelConfig(
        ModelFamily[about["family"]],
        tuple(of_type(int, width) for width in about["widths"]),
        EncodingConfig(
            EncodingKind[encoding["kind"]], of_type(int, encoding["n_frequencies"]), float(encoding["sigma"])
        ),
        of_type(int, about["omega_0"]),
        of_type(bool, about["bias"]),
    )


def _described_latent_grid(model: LatentGridConfig) -> dict[str, object]:
    return {"family": model.family.name, **dataclasses.asdict(model)}


def _parsed_latent_grid(about: Mapping[str, Any]) -> LatentGridConfig:
    default = dataclasses.asdict(LatentGridConfig())
    return LatentGridConfig(**{name: of_type(type(value), about[name]) for name, value in default.items()})


_KINDS = (
    NetworkKind(
        (ModelFamily.SIREN.name, ModelFamily.FOURIER.name),
        ModelConfig,
        _described_coordinate_network,
        _parsed_coordinate_network,
        layout,
    ),
    NetworkKind(
        (ModelFamily.LATENT_GRID.name,),
        LatentGridConfig,
        _described_latent_grid,
        _parsed_latent_grid,
        lambda model, shape, n_outputs: latent_layout(model, n_outputs),
    ),
)
