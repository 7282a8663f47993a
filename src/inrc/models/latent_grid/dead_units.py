"""Hidden units of the synthesis that change no pixel: removed before a file is written, added before one is rendered.

A unit is dead if all its incoming or all its outgoing weights are 0. Needs no JAX.
"""

import dataclasses
from collections.abc import Mapping

import numpy as np

from inrc.config import LatentGridConfig

Matrices = dict[str, np.ndarray]
"""{name: matrix} in the order of a file, integers or floats."""


def without_dead_units(
    model: LatentGridConfig, matrices: Mapping[str, np.ndarray]
) -> tuple[LatentGridConfig, Matrices]:
    """The same function with as few hidden units per pixel as it needs, at least one.

    A fit that pays for its weights ends with dead units. The coder has to learn of each that it is dead, which costs
    about 5 bytes.
    """
    first, second = matrices["synthesis_0"], matrices["synthesis_1"]
    alive: np.ndarray = np.any(first, axis=1) & np.any(second[:, :-1], axis=0)
    alive[0] |= not alive.any()  # a network has one at least
    fewer = {"synthesis_0": first[alive], "synthesis_1": second[:, np.append(alive, True)]}
    return dataclasses.replace(model, synthesis_width=int(alive.sum())), {**matrices, **fewer}


def padded_to_multiple(
    model: LatentGridConfig, matrices: Mapping[str, np.ndarray], multiple: int
) -> tuple[LatentGridConfig, Matrices]:
    """The same function with dead hidden units added, so that their number is a multiple of `multiple`.

    Files of many widths then share few compiled programs.
    """
    n_added = -model.synthesis_width % multiple
    first, second = matrices["synthesis_0"], matrices["synthesis_1"]
    bias = second.shape[1] - 1
    more = {
        "synthesis_0": np.pad(first, ((0, n_added), (0, 0))),
        "synthesis_1": np.insert(second, [bias] * n_added, 0, axis=1),
    }
    return dataclasses.replace(model, synthesis_width=model.synthesis_width + n_added), {**matrices, **more}
