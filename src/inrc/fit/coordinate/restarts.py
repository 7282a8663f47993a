"""Restarts of a fit: noise on some of its weights, from which another stage of the learning rate starts.

NIF (Catania and Allegra, 2023) restarts a fit that has come to rest. Noise is a function of the seed, the stage and the
matrix alone, so that neither the other fits of a batch nor a resumed process change it.
"""

from collections.abc import Mapping

import numpy as np

from inrc.fit.stacks import Stack
from inrc.training import Restart

_FIRST = ("layer_0", "modulator_0")
"""Matrices that see the coordinates' features."""


def restarted(
    stacks: tuple[Stack, ...], params: Mapping[str, np.ndarray], restart: Restart, *, bias: bool, seed: int, stage: int
) -> dict[str, np.ndarray]:
    """The weights from which a stage starts.

    Args:
      stacks: of the matrices.
      params: stacks of weights of one fit, float32.
      restart: which weights are moved, and how far. Tables of hash grids, which are features themselves, stay.
      bias: whether the last column of a layer holds biases, as that of a modulator's always does.
      seed: of the fit.
      stage: number of the stage.

    Returns:
      Stacks of the same shapes; padding stays 0.
    """
    return {stack.key: _restarted_stack(stack, params[stack.key], restart, bias, seed, stage) for stack in stacks}


def _restarted_stack(
    stack: Stack, matrices: np.ndarray, restart: Restart, bias: bool, seed: int, stage: int
) -> np.ndarray:
    result = np.array(matrices, np.float32)
    for i, (name, (n_rows, n_columns)) in enumerate(stack.matrices):
        if stack.has_tables or (name in _FIRST and not restart.moves_first):
            continue
        n_weights = n_columns - (bias or name.startswith("modulator"))
        wide = result[i].T if n_rows > n_columns else result[i]
        own = wide[:n_rows, :n_weights]
        generator = np.random.default_rng((seed, stage, *name.encode()))
        is_moved = generator.random(own.shape) < restart.fraction
        noise = generator.uniform(-restart.radius, restart.radius, own.shape)
        own += (is_moved * noise * np.abs(own, dtype=np.float64).mean()).astype(np.float32)
    return result
