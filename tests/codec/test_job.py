"""How a picture's first fit is planned: where it starts, for both families."""

import math

import pytest

from inrc.codec.families import choose_init
from inrc.codec.family import Plan
from inrc.codec.job import Job
from inrc.codec.options import EncodeOptions
from inrc.presets import LOSSES
from tests.codec import pictures

# A picture and a quality for which the package has an init, by codec.
SHIPPED = {"siren": (pictures.crop(64, 64, 3), 51.0), "latent-grid": (pictures.crop(48, 64, 3), 60.0)}


def planned(codec: str, loss: str, quality: float | None = None, effort: int = 3) -> Plan:
    """The first fit of the picture of a codec."""
    image, usual = SHIPPED[codec]
    options = EncodeOptions(codec=codec, loss=loss, quality=usual if quality is None else quality, effort=effort)
    return Job(image, options, None, None).first_plan()


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("codec", SHIPPED)
class TestLosses:
    def test_the_first_steps_are_the_inits_at_the_lambda_of_squared_errors(self, codec, loss):
        """The lambda of an init is one of squared errors; that of the fit is larger by the slope of its loss."""
        plan = planned(codec, loss)
        assert plan.reference is not None
        assert plan.task.start is not None
        init, config = plan.reference.init, plan.task.config
        assert config.loss == LOSSES[loss]
        factor = math.sqrt(config.lambda_rd / LOSSES[loss].slope / init.lambda_rd)
        assert 0.3 < factor < 3  # without the division by 48, those of SSIM were 7 times as large
        assert plan.task.start.steps == pytest.approx({name: factor * step for name, step in init.steps.items()})

    def test_init_and_first_steps_are_those_of_squared_errors(self, codec, loss):
        own, squared = planned(codec, loss), planned(codec, "mse")
        assert own.header.init_id == squared.header.init_id != b""
        assert own.task.config.lambda_rd == pytest.approx(LOSSES[loss].slope * squared.task.config.lambda_rd)
        assert own.task.start is not None
        assert squared.task.start is not None
        assert own.task.start.steps == pytest.approx(squared.task.start.steps)


def test_the_slope_of_ssim_is_that_of_its_terms():
    assert LOSSES["ssim"].slope == pytest.approx(48)


@pytest.mark.parametrize("effort", [1, 2, 3, 4])
def test_latents_have_the_init_of_their_rate_under_every_loss(effort):
    chosen = set()
    for bpp in (0.06, 0.12, 0.25, 0.5, 1.0, 2.0):
        inits = [
            choose_init(EncodeOptions(codec="latent-grid", loss=loss, effort=effort), (256, 384), 3, bpp)
            for loss in LOSSES
        ]
        assert inits[0] is not None
        assert all(init is not None and init.id == inits[0].id for init in inits)
        chosen.add(inits[0].lambda_rd)
    assert len(chosen) > 1
