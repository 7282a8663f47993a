"""One shared init as a NumPy archive, identified by a hash of its content.

The hash covers all that a decoder needs: the network, the means and the prior scales. It does not cover hints for
encoders: first quantisation steps, lambda, the codec that the init is for and the rates of inner steps.
`bitstream/FORMAT.md`, section 13, is normative.
"""

import dataclasses
import functools
import hashlib
import io
import json
import math
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from inrc.config import Model
from inrc.errors import ConfigError, InitMismatchError
from inrc.shared_init import networks
from inrc.shared_init.networks import layout_of, of_type

ID_BYTES = 8
"""Bytes of the hash by which a file names its init."""

MAX_INNER_STEPS = 100
"""Most inner steps that an init has rates for."""

_MAX_BYTES = 1 << 26


@dataclasses.dataclass(frozen=True, eq=False)
class SharedInit:
    """A start and a prior for the weights of one network.

    Attributes:
      model: the network, or the networks of latent grids.
      shape: samples per axis of the canvas that it was learned on, (height, width) of a landscape picture. Networks of
        latent grids are the same for all pictures.
      n_outputs: channels of the network, in the order of its colour transform.
      mean: {name: float16 matrix [out, in (+ 1)]}, in the order of the network's layout.
      scale_indices: {name: uint8 matrix}: expected absolute difference from the mean, before any rounding, as an index
        of the quantiser's ladder, 2^(index / 8 - 24).
      steps: {name: quantisation step to begin with}; for encoders only.
      lambda_rd: loss (squared error, unit range) per bit and pixel that the steps and scales were learned at; for
        encoders only.
      codec: name of the only codec that takes this init by itself; if empty, all codecs with such networks may;
        for encoders only.
      rate_indices: {name: uint8 [k, out, in (+ 1)]}: learning rates of every weight in k inner steps, as indices of the
        same ladder. An encoder takes these steps first: gradient descent from the mean on the picture's mean squared
        error (unit range). Empty where there are none; for encoders only.

    Raises:
      ConfigError: The parts contradict each other.
    """

    model: Model
    shape: tuple[int, int]
    n_outputs: int
    mean: Mapping[str, np.ndarray]
    scale_indices: Mapping[str, np.ndarray]
    steps: Mapping[str, float]
    lambda_rd: float
    codec: str = ""
    rate_indices: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 1 <= self.n_outputs <= 4:
            raise ConfigError(f"n_outputs is {self.n_outputs}; it must lie in 1..4")
        if min(self.shape) < 1:
            raise ConfigError(f"the canvas is {self.shape[1]}x{self.shape[0]} pixels; it must be 1x1 or larger")
        expected = dict(layout_of(self.model, self.shape, self.n_outputs))
        for what, tree in (("means", self.mean), ("scale indices", self.scale_indices), ("steps", self.steps)):
            if list(tree) != list(expected):
                raise ConfigError(f"the {what} are those of {', '.join(tree)}; the network has {', '.join(expected)}")
        for name, shape in expected.items():
            _check_matrix(f"the means of {name}", self.mean[name], shape, np.float16)
            _check_matrix(f"the scale indices of {name}", self.scale_indices[name], shape, np.uint8)
            if not np.isfinite(self.mean[name]).all():
                raise ConfigError(f"a mean of {name} is not a finite number")
        if self.rate_indices:
            self._check_rates(expected)
        for what, number in (*self.steps.items(), ("lambda_rd", self.lambda_rd)):
            if not 0 < number < math.inf:
                raise ConfigError(f"the step or lambda {what!r} is {number}; it must be above 0")

    def _check_rates(self, expected: Mapping[str, tuple[int, int]]) -> None:
        if list(self.rate_indices) != list(expected):
            raise ConfigError(f"the rates are those of {', '.join(self.rate_indices)}; the network has others")
        k = self.n_inner_steps
        if not 1 <= k <= MAX_INNER_STEPS:
            raise ConfigError(f"the rates are those of {k} inner steps; there must be 1..{MAX_INNER_STEPS}")
        for name, shape in expected.items():
            _check_matrix(f"the rates of {name}", self.rate_indices[name], (k, *shape), np.uint8)

    @property
    def n_inner_steps(self) -> int:
        """Number k of inner steps that encoders take first; 0 where there are no rates."""
        return next((rates.shape[0] for rates in self.rate_indices.values() if rates.ndim), 0)

    @functools.cached_property
    def sha256(self) -> str:
        """Hash, in hexadecimal, of all that a decoder needs."""
        digest = hashlib.sha256(json.dumps(_described(self), sort_keys=True).encode())
        for name in self.mean:
            for array, dtype in ((self.mean[name], "<f2"), (self.scale_indices[name], "u1")):
                digest.update(f"{name} {array.shape} {dtype}".encode())
                digest.update(np.ascontiguousarray(array, dtype).tobytes())
        return digest.hexdigest()

    @property
    def id(self) -> bytes:
        """The first 8 bytes of the hash, by which the header of a file names the init."""
        return bytes.fromhex(self.sha256)[:ID_BYTES]

    @property
    def n_weights(self) -> int:
        """Number of weights of the network."""
        return sum(matrix.size for matrix in self.mean.values())


def save(init: SharedInit, path: Path) -> None:
    """Writes an init to a temporary file and renames it, so that readers never see half of it."""
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_bytes(packed(init))
    temporary.replace(path)


def packed(init: SharedInit) -> bytes:
    """The archive of an init."""
    arrays = {f"mean/{name}": np.asarray(matrix, "<f2") for name, matrix in init.mean.items()}
    arrays |= {f"scale/{name}": np.asarray(matrix, "u1") for name, matrix in init.scale_indices.items()}
    arrays |= {f"rate/{name}": np.asarray(rates, "u1") for name, rates in init.rate_indices.items()}
    about = {**_described(init), "steps": dict(init.steps), "lambda_rd": init.lambda_rd}
    if init.codec:
        about["codec"] = init.codec
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, about=np.array(json.dumps(about)), **arrays)
    return buffer.getvalue()


def load(path: Path) -> SharedInit:
    """Reads an init.

    Raises:
      InitMismatchError: The file is missing, damaged or not an init.
    """
    try:
        return _parsed(*_read(path))
    except OSError as error:
        raise InitMismatchError(f"cannot read the init {path}: {error.strerror or error}; check the path") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InitMismatchError(f"{path} is no shared init ({error}): give the .npz file of an exported one") from error


def _read(path: Path) -> tuple[Any, dict[str, np.ndarray]]:
    """(description, arrays) of an archive."""
    with path.open("rb") as file:
        try:
            with zipfile.ZipFile(file) as archive:
                n_bytes = sum(entry.file_size for entry in archive.infolist())
            if n_bytes > _MAX_BYTES:
                raise ValueError(f"{n_bytes} bytes inflated, more than {_MAX_BYTES}")
            file.seek(0)
            with np.load(file, allow_pickle=False) as arrays:
                return json.loads(str(arrays["about"])), {key: arrays[key] for key in arrays.files if key != "about"}
        except OSError:
            raise
        except Exception as error:  # a damaged archive makes zipfile, zlib and NumPy raise errors of a dozen kinds
            raise ValueError(f"not a sound NumPy archive: {error}") from error


def _parsed(about: Any, arrays: dict[str, np.ndarray]) -> SharedInit:
    model = networks.kind_of_family(about["family"]).parsed(about)
    height, width = (of_type(int, n) for n in about["shape"])
    n_outputs = of_type(int, about["n_outputs"])
    names = [name for name, _ in layout_of(model, (height, width), n_outputs)]
    rates = {name: arrays.pop(f"rate/{name}") for name in names if f"rate/{name}" in arrays}
    if len(arrays) != 2 * len(names):
        raise ValueError(f"it has {len(arrays)} matrices, the network {2 * len(names)}")
    return SharedInit(
        model,
        (height, width),
        n_outputs,
        {name: _native(arrays[f"mean/{name}"]) for name in names},
        {name: arrays[f"scale/{name}"] for name in names},
        {name: float(about["steps"][name]) for name in names},
        float(about["lambda_rd"]),
        of_type(str, about.get("codec", "")),
        rates,
    )


def _native(matrix: np.ndarray) -> np.ndarray:
    return matrix.astype(matrix.dtype.newbyteorder("="))


def _check_matrix(what: str, matrix: np.ndarray, shape: tuple[int, ...], dtype: type) -> None:
    if matrix.dtype != dtype or matrix.shape != shape:
        raise ConfigError(f"{what} are {matrix.dtype} {matrix.shape}; they must be {np.dtype(dtype)} {shape}")


def _described(init: SharedInit) -> dict[str, object]:
    """The JSON members of all that a decoder needs besides the matrices."""
    described = networks.kind_of(init.model).described(init.model)
    return {**described, "shape": list(init.shape), "n_outputs": init.n_outputs}
