"""Fits that aim at a number of bits: lambda follows the rate, and once weights are rounded, quantisation steps do.

The rate of rounded weights hardly depends on lambda, only on their steps. So lambda is adjusted while noise stands for
rounding, and the remaining difference is corrected by the steps, early enough for the weights to adapt.
"""

import dataclasses
import math
import statistics

from inrc.fit.task import FitConfig

MIN_UPDATES = 40
"""Updates that the fit of a coordinate network needs to reach its number of bits."""

_RESPONSE_STEPS = 60.0
"""Steps in which the weights follow a change of lambda, roughly."""
_LARGEST_FACTOR = 1.5
"""Factor by which lambda changes at most after a chunk: the rate of a moment may be far from where it settles."""
_LAST_FRACTION = 0.8
"""Fraction of the fit up to which quantisation steps follow the rate: the last weights adapt to steps that stay."""
_BAND = (0.989, 0.999)
"""Shares of the target that are near enough: a target that is exceeded at the end costs coarser steps, and more."""
_LARGEST_SHIFT = 0.1
"""Change of the logarithms of quantisation steps at most after a chunk."""
_EXCESS_WEIGHT = 30.0
"""Relative increase of the loss per relative excess over the target. One percent more bits lowers the loss by about
half a percent, and raises this value by 30, so that no state above the target is preferred to one below it."""


@dataclasses.dataclass
class Steering:
    """Lambda, and how many bits the coder spends for one bit of the differentiable rate model.

    Attributes:
      target_bits: of everything that is coded; None leaves lambda as it is.
      lambda_rd: loss per bit and sample.
      least_lambda: below which lambda does not fall; quantisation steps become no finer there.
      overhead: bits of the coder per bit of the rate model. The coder learns its means on the way, the model knows them
        beforehand.
      first_fraction: of the fit, from which lambda follows the rate: earlier, the rate is that of the first weights.
      exponent: power of an excess by which lambda answers. The default is for rates that fall with about the square
        root of lambda (experiments/NOTES.md, row 6.1).
    """

    target_bits: float | None
    lambda_rd: float
    least_lambda: float = 0.0
    overhead: float = 1.02
    first_fraction: float = 0.05
    exponent: float = 2.0

    def follow(self, bits: float, n_steps: int, fraction: float) -> None:
        """Moves lambda after a chunk.

        Args:
          bits: by the rate model.
          n_steps: of the chunk.
          fraction: of the fit that is done.
        """
        if self.target_bits is None or fraction < self.first_fraction:
            return
        gain = 1.0 - math.exp(-n_steps / _RESPONSE_STEPS)
        factor = (bits * self.overhead / self.target_bits) ** (self.exponent * gain)
        self.lambda_rd *= min(max(factor, 1 / _LARGEST_FACTOR), _LARGEST_FACTOR)
        self.lambda_rd = max(self.lambda_rd, self.least_lambda)

    def step_shift(self, bits: float, n_weights: int, fraction: float) -> float:
        """The change of the logarithms of all quantisation steps, after a chunk with rounded weights.

        Args:
          bits: of the weights by the rate model.
          n_weights: number of weights.
          fraction: of the fit that is done.
        """
        if self.target_bits is None or fraction > _LAST_FRACTION:
            return 0.0
        excess = bits * self.overhead - statistics.fmean(_BAND) * self.target_bits
        if _BAND[0] <= bits * self.overhead / self.target_bits <= _BAND[1]:
            return 0.0
        # A step twice as large takes one bit from every weight.
        shift = math.log(2.0) * excess / n_weights
        finest = 0.0 if 0.0 < self.lambda_rd <= self.least_lambda else -_LARGEST_SHIFT
        return min(max(shift, finest), _LARGEST_SHIFT)

    def excess(self, bits: float) -> float:
        """Fraction of the target by which `bits` of the rate model exceed it; 0 below the target and without one."""
        return 0.0 if self.target_bits is None else max(0.0, bits * self.overhead / self.target_bits - 1.0)

    def value(self, loss: float, bits: float) -> float:
        """The value that is to be lowest where there is a target: the loss, raised steeply above the target."""
        return loss * (1.0 + _EXCESS_WEIGHT * self.excess(bits))


def steering_of(config: FitConfig) -> Steering:
    """The steering that a fit's configuration asks for."""
    return Steering(config.target_bits, config.lambda_rd, config.least_lambda)
