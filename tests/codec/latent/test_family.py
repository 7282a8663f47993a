"""What is asked of latent grids beside a quality: an init, bytes, decibels, many at once; and better rounding."""

import dataclasses
import math

import numpy as np
import pytest

import inrc
from inrc import presets
from inrc.codec.encode import encode
from inrc.codec.families import choose_init, named
from inrc.codec.family import Candidate
from inrc.codec.formats import reference_of
from inrc.codec.job import Job
from inrc.codec.latent.family import LatentFamily
from inrc.codec.latent.format import LatentFormat
from inrc.codec.latent.rdoq import loss_of, refine
from inrc.codec.options import EncodeOptions
from inrc.codec.plan import Goal, Trial
from inrc.codec.stats import Encoded
from inrc.config import ModelConfig
from inrc.errors import InitMismatchError, TargetNotReachedError
from inrc.fit.coordinate.config import CoordinateFitConfig
from inrc.fit.latent.config import LatentFitConfig
from inrc.fit.latent.schedule import LONG
from inrc.metrics import psnr_db
from inrc.shared_init import save
from inrc.signal.colour import ColourTransform
from tests.codec.latent.test_files import FIT, IMAGE, MODEL, OPTIONS
from tests.shared_init.inits import random_latent_init

INIT = random_latent_init(MODEL, (12, 16))


@pytest.fixture(scope="module")
def job() -> Job:
    return Job(IMAGE, OPTIONS, None, None)


@pytest.fixture(scope="module")
def candidate(job) -> Candidate:
    return job.fit(job.plan(1.0))


def test_short_fits_alone_start_at_shipped_inits():
    for effort, is_short in ((1, True), (4, True), (5, False), (6, False)):
        init = choose_init(EncodeOptions(effort=effort), (256, 256), 3, 0.5)
        assert (init is not None) == is_short
    fit = LatentFitConfig(n_steps=300)
    init = choose_init(EncodeOptions(effort=6, fit=fit), (256, 256), 3, 0.5)
    assert init is not None
    assert init.lambda_rd == pytest.approx(1e-3)


def test_long_fits_have_large_networks_and_the_slow_schedule():
    for effort, shape, is_large in ((7, (512, 768), False), (8, (512, 768), True), (9, (40, 50), False)):
        options = EncodeOptions(codec="latent-grid", effort=effort)
        model, config, _ = LatentFamily().resolve(options, shape, 3, 0.5)
        codec = presets.LATENT_CODECS["latent-grid"]
        assert model == (codec.large if is_large else codec.model)
        assert isinstance(config, LatentFitConfig)
        assert (config.schedule == LONG) == (effort > 7)
    model, config, _ = LatentFamily().resolve(EncodeOptions(codec="c3", effort=8), (512, 768), 3, 0.5)
    assert model == presets.LATENT_CODECS["c3"].model
    assert isinstance(config, LatentFitConfig)
    assert config.schedule != LONG


def test_a_file_with_an_init_needs_it(tmp_path):
    path = tmp_path / "mine.npz"
    save(INIT, path)
    encoded = encode(IMAGE, dataclasses.replace(OPTIONS, model=None, init=str(path)))
    assert encoded.stats.init == INIT.id.hex()
    decoded = inrc.decode(encoded.data, init=path)
    assert encoded.stats.psnr_db == pytest.approx(psnr_db(IMAGE.pixels, decoded.pixels), abs=1e-9)
    with pytest.raises(InitMismatchError, match=INIT.id.hex()):
        inrc.decode(encoded.data)
    assert inrc.info(encoded.data, init=path).header.model == MODEL


def test_weights_are_in_full_where_that_is_cheaper(job, candidate):
    # Means that are far from the fit's weights, and believed to be near.
    far = {name: np.full_like(matrix, 4.0) for name, matrix in INIT.mean.items()}
    near = {name: np.full_like(matrix, 100) for name, matrix in INIT.scale_indices.items()}
    init = dataclasses.replace(INIT, mean=far, scale_indices=near)
    plan = job.plan(1.0)
    reference = reference_of(init, plan.header.shape, 3)
    header = dataclasses.replace(plan.header, init_id=init.id)
    with_init = dataclasses.replace(plan, header=header, reference=reference, may_drop_init=True)
    (in_full,) = job.family.rounded([with_init], [candidate.result])
    assert in_full.file.header.init_id == b""
    assert in_full.file.weights.reference is None
    (kept,) = job.family.rounded([dataclasses.replace(with_init, may_drop_init=False)], [candidate.result])
    assert kept.file.header.init_id == init.id


def test_refined_latents_cost_less_and_lie_nearer_to_zero(candidate):
    # A fit may end with nothing to refine at its own lambda: so some latents begin one too far away.
    generator = np.random.default_rng(0)
    file = candidate.file
    latents = tuple(x + np.sign(x) * (generator.random(x.shape) < 0.2) for x in file.latents)
    file = dataclasses.replace(file, latents=tuple(x.astype(np.int32) for x in latents))
    further = dataclasses.replace(candidate, file=file)
    for lambda_rd in (candidate.result.lambda_rd, 1e-2):
        refined = refine(further, lambda_rd)
        assert loss_of(refined, lambda_rd) < loss_of(further, lambda_rd)
        assert LatentFormat().latent_bits(refined.file) < LatentFormat().latent_bits(further.file)
        for new, old in zip(refined.file.latents, further.file.latents, strict=True):
            assert np.all(np.abs(new) <= np.abs(old))
            assert np.all(np.abs(new - old) <= 1)


def test_refining_never_costs_more(candidate):
    lambda_rd = candidate.result.lambda_rd
    assert loss_of(refine(candidate, lambda_rd), lambda_rd) <= loss_of(candidate, lambda_rd)


def test_bytes_are_kept(candidate):
    most = len(candidate.packed()) * 4 // 5
    encoded = encode(IMAGE, OPTIONS, max_bytes=most)
    assert 0.85 * most < encoded.stats.n_bytes <= most
    with pytest.raises(TargetNotReachedError, match="the least for this picture is"):
        encode(IMAGE, OPTIONS, max_bytes=20)


def test_a_few_bytes_too_many_are_trimmed_without_another_fit(job, candidate):
    n_bytes = len(candidate.packed())
    goal = Goal(
        value=lambda one: math.log2(len(one.packed())),
        least=math.log2(n_bytes) - 0.1,
        most=math.log2(n_bytes) - 0.01,
        is_psnr=False,
        unreached=str,
    )
    trials = [Trial(job.plan(1.0), math.log2(n_bytes), candidate)]
    assert not job.family.may_refit(trials, goal)
    trimmed = job.family.trimmed(job, trials, None, goal)
    assert trimmed is not None
    assert trimmed.value == math.log2(len(trimmed.candidate.packed())) <= goal.most
    assert trimmed.candidate.result is candidate.result
    far = dataclasses.replace(goal, least=goal.least - 1.0, most=goal.most - 1.0)
    assert job.family.may_refit(trials, far)


def test_decibels_are_reached():
    encoded = encode(IMAGE, OPTIONS, target_psnr=18.0)
    assert 18.0 <= encoded.stats.psnr_db < 18.6
    with pytest.raises(TargetNotReachedError, match="99 dB are asked for"):
        encode(IMAGE, dataclasses.replace(OPTIONS, fit=dataclasses.replace(FIT, n_steps=20)), target_psnr=99.0)


def test_a_batch_has_the_files_of_single_encodes():
    other = dataclasses.replace(IMAGE, pixels=np.ascontiguousarray(IMAGE.pixels[::-1]))
    alone = [encode(image, OPTIONS).data for image in (IMAGE, other)]
    together = inrc.encode_batch([IMAGE, other], OPTIONS)
    assert [encoded.data for encoded in together if isinstance(encoded, Encoded)] == alone


def test_the_codec_follows_from_the_size_and_from_options_of_one_family():
    def codec_for(n_pixels: int, **options) -> str:
        return named(EncodeOptions(**options), n_pixels).codec

    assert (codec_for(128 * 128), codec_for(128 * 128 - 1)) == ("latent-grid", "siren")
    assert codec_for(1, fit=FIT) == codec_for(1, model=MODEL) == "latent-grid"
    assert codec_for(10**6, model=ModelConfig(widths=(4,))) == codec_for(10**6, fit=CoordinateFitConfig()) == "siren"
    assert codec_for(10**6, colour=ColourTransform.YCOCG) == "siren"
    assert codec_for(10**6, codec="c3", colour=ColourTransform.RGB) == "c3"
