"""A family of models from outside of the package: every picture is one colour. What CONTRIBUTING, "Add a family", says.

A file holds the colour as a matrix [channels, 1] of weights, through the same quantiser, coder and container as all
others. The fit is the mean; a target PSNR cannot be met, a number of bytes can.
"""

import dataclasses

import numpy as np

from inrc.bitstream.network_fields import NetworkFields
from inrc.codec import file as files
from inrc.codec.family import Family
from inrc.codec.family_format import Description, FamilyFormat
from inrc.codec.plan import Candidate, Resolved
from inrc.codec.weights import quantise
from inrc.config import LossConfig
from inrc.fit.task import FitConfig, FitResult
from inrc.presets import LOSSES, Preset
from inrc.signal.colour import ColourTransform

NUMBER = 200


@dataclasses.dataclass(frozen=True)
class OneColour:
    """A network without inputs.

    Attributes:
      log_step: the quantisation step of the colour is 2^-log_step.
    """

    log_step: int = 8

    @property
    def family(self) -> int:
        return NUMBER


@dataclasses.dataclass(frozen=True)
class MeanConfig(FitConfig):
    """How the mean is taken; nothing but the common fields."""

    lambda_rd: float = 1e-3
    target_bits: float | None = None
    least_lambda: float = 0.0
    n_seeds: int = 1
    race_fraction: float = 0.0
    loss: LossConfig = LOSSES["mse"]
    steps_per_group: int = 1
    groups_per_chunk: int = 1
    time_budget: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        self.check()


@dataclasses.dataclass(frozen=True)
class OneColourCodec(Preset):
    model: OneColour = OneColour()


class OneColourFormat(FamilyFormat):
    network = OneColour

    def layout(self, model, shape, n_channels):
        return (("colour", (n_channels, 1)),)

    def multiplications(self, header, layout):
        return header.channels

    def render(self, file, view, antialias):
        largest = (1 << file.header.bit_depth) - 1
        colour = np.floor(np.clip(file.params["colour"][:, 0], 0.0, 1.0) * largest + 0.5)
        dtype = np.uint8 if file.header.bit_depth == 8 else np.uint16
        return np.broadcast_to(colour.astype(dtype), (view.height, view.width, len(colour))).copy()

    def describe(self, model):
        assert isinstance(model, OneColour)
        return Description("one_colour", f"steps of 2^-{model.log_step}", "", dataclasses.asdict(model))


class OneColourFamily(Family):
    format = OneColourFormat()
    fields = NetworkFields(
        families=(NUMBER,),
        config=OneColour,
        pack=lambda model: bytes([0, model.log_step]),
        unpack=lambda family, first, reader: OneColour(reader.byte()),
        may_be_transposed=False,
        has_colour=False,
    )
    fit_config = MeanConfig
    preset = OneColourCodec
    codecs = (OneColourCodec("one-colour", "the mean of the picture"),)

    def resolve(self, options, shape, n_channels, bpp, init=None):
        self.check(options)
        return Resolved(options.model or OneColour(), options.fit or MeanConfig(), ColourTransform.RGB)

    def bucket(self, plan):
        return plan.task.target.shape

    def side_by_side(self, plan):
        return 4

    def fit(self, plans, *, side_by_side=None, progress=None, checkpoint_path=None):
        return [
            FitResult(
                params={"colour": plan.task.target.mean_outputs[:, None]},
                steps={"colour": 2.0 ** -_model(plan).log_step},
                n_steps=1,
                seconds=0.0,
                compile_seconds=0.0,
                lambda_rd=plan.task.config.lambda_rd,
                interrupted=False,
            )
            for plan in plans
        ]

    def rounded(self, plans, results):
        return [
            Candidate(files.make(plan.header, quantise(result.params, result.steps), (), plan.sections), result)
            for plan, result in zip(plans, results, strict=True)
        ]


def _model(plan) -> OneColour:
    assert isinstance(plan.header.model, OneColour)
    return plan.header.model
