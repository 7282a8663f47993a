"""Fits that aim at a number of bits: lambda follows the rate, and once weights are rounded, their steps do.

Rounded weights hardly answer to lambda: what decides their rate is the step. So lambda is moved while there is noise in
the place of rounding, and what is then still amiss is made good by steps, early enough for the weights to adapt.
"""

import dataclasses
import math
import statistics

import numpy as np

from inrc.entropy import coder
from inrc.entropy.coder import exponents_of
from inrc.fit.program import Params, Prior
from inrc.quant.uniform import index_of_step, indices_of_steps, quantise, step_of_index

MIN_UPDATES = 40
"""Updates that a fit needs to come to its bits."""

_FIRST_FRACTION = 0.05
_RESPONSE_STEPS = 60.0
"""Steps in which the weights follow a change of lambda, roughly."""
_LAMBDA_EXPONENT = 2.0
"""The rate falls with about the square root of lambda."""
_LARGEST_FACTOR = 1.5
_LAST_FRACTION = 0.8
_BAND = (0.989, 0.999)
"""Shares of the target that are near enough: one that is exceeded at the end costs coarser steps and more."""
_LARGEST_SHIFT = 0.1
_EXCESS_WEIGHT = 30.0


@dataclasses.dataclass
class Steering:
    """Lambda, and how many bits the coder spends for one that its differentiable twin counts.

    Attributes:
      target_bits: of all weights in the file; None leaves lambda as it is.
      lambda_rd: loss per bit and pixel.
      overhead: the coder learns its means on the way, and the twin knows them beforehand.
      learned: whether the coder knows the prior's scales.
    """

    target_bits: float | None
    lambda_rd: float
    overhead: float = 1.02
    learned: bool = False

    def follow(self, bits: float, n_steps: int, fraction: float) -> None:
        """Moves lambda after a chunk.

        Args:
          bits: of the weights by the twin.
          n_steps: of the chunk.
          fraction: of the fit that is done.
        """
        if self.target_bits is None or fraction < _FIRST_FRACTION:
            return
        gain = 1.0 - math.exp(-n_steps / _RESPONSE_STEPS)
        factor = (bits * self.overhead / self.target_bits) ** (_LAMBDA_EXPONENT * gain)
        self.lambda_rd *= min(max(factor, 1 / _LARGEST_FACTOR), _LARGEST_FACTOR)

    def step_shift(self, bits: float, n_weights: int, fraction: float) -> float:
        """What to add to the logarithms of all steps of rounded weights, which have `bits` by the twin."""
        if self.target_bits is None or fraction > _LAST_FRACTION:
            return 0.0
        excess = bits * self.overhead - statistics.fmean(_BAND) * self.target_bits
        if _BAND[0] <= bits * self.overhead / self.target_bits <= _BAND[1]:
            return 0.0
        # A step twice as large takes one bit from every weight.
        shift = math.log(2.0) * excess / n_weights
        return min(max(shift, -_LARGEST_SHIFT), _LARGEST_SHIFT)

    def calibrate(self, params: Params, prior: Prior, log_steps: Params, bits: float) -> None:
        """Compares the coder with its twin, which counts `bits` for these weights."""
        if self.target_bits is None or bits <= 0:
            return
        indices = {name: index_of_step(math.exp(float(value))) for name, value in log_steps.items()}
        integers = [
            quantise(np.asarray(matrix), step_of_index(indices[name]), np.asarray(prior.mean[name]))
            for name, matrix in params.items()
        ]
        exponents = None
        if self.learned:
            exponents = [exponents_of(indices_of_steps(np.asarray(prior.scale[n])), indices[n]) for n in params]
        self.overhead = coder.ideal_bits((), integers, exponents) / bits

    def excess(self, bits: float) -> float:
        """By which fraction weights of so many bits exceed the target."""
        return 0.0 if self.target_bits is None else max(0.0, bits * self.overhead / self.target_bits - 1.0)

    def value(self, loss: float, bits: float) -> float:
        """What is to be lowest where there is a target: what is above it loses to all that is not."""
        return loss * (1.0 + _EXCESS_WEIGHT * self.excess(bits))
