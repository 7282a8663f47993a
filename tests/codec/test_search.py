"""Quality, bytes and decibels: what is asked for is what comes out."""

import dataclasses

import numpy as np
import pytest

import inrc
import inrc.presets
from inrc.codec import search
from inrc.codec.coordinate.family import CoordinateFamily
from inrc.codec.encode import encode
from inrc.codec.family import Candidate, Plan
from inrc.codec.job import Job
from inrc.codec.options import EncodeOptions
from inrc.codec.search import meet_target
from inrc.codec.stats import Encoded
from inrc.config import EncodingConfig, EncodingKind, ModelConfig
from inrc.errors import TargetNotReachedError
from inrc.fit.task import Progress
from inrc.metrics.psnr import psnr_db
from tests.codec import pictures
from tests.codec.latent import test_files as latents
from tests.conftest import COFFEE

IMAGE = pictures.crop(24, 32, 3)
# One network for all targets, so that its programs compile once.
MODEL = ModelConfig(widths=(16, 10), encoding=EncodingConfig(EncodingKind.LOG_SPACED, 6))
FAST = EncodeOptions(model=MODEL, effort=1)


@pytest.mark.parametrize("max_bytes", [pytest.param(120, marks=pytest.mark.slow), 175])
def test_max_bytes_is_kept_and_used(max_bytes):
    encoded = encode(IMAGE, FAST, max_bytes=max_bytes)
    assert 0.8 * max_bytes < len(encoded.data) <= max_bytes


def test_target_bpp_is_a_limit_in_bits_per_pixel():
    encoded = encode(IMAGE, FAST, target_bpp=1.8)
    assert 0.8 * 1.8 < encoded.stats.bpp <= 1.8


@pytest.mark.parametrize("limit", [{"max_bytes": 2**40}, {"target_bpp": 100.0}])
@pytest.mark.parametrize("family", ["coordinate", pytest.param("latent", marks=pytest.mark.slow)])
def test_a_limit_above_what_quality_100_takes_is_no_target(family, limit):
    """The file is that of quality 100, whatever the limit allows, and the encode says so."""
    options = {"coordinate": FAST, "latent": latents.OPTIONS}[family]
    image = {"coordinate": IMAGE, "latent": latents.IMAGE}[family]
    best, limited = encode(image, options, quality=100), encode(image, options, **limit)
    assert limited.stats.is_full_quality
    assert not best.stats.is_full_quality
    assert limited.data == best.data


@pytest.mark.slow
def test_a_folder_of_icons_is_encoded_under_one_limit():
    icons = [IMAGE, inrc.Image(np.ascontiguousarray(IMAGE.pixels[::-1]))]
    encoded = inrc.encode_batch(icons, FAST, max_bytes=50_000)
    for icon, one in zip(icons, encoded, strict=True):
        assert isinstance(one, Encoded)
        assert one.stats.is_full_quality
        assert inrc.decode(one).pixels.shape == icon.pixels.shape


def test_a_limit_above_the_bytes_of_an_average_photograph_holds_for_others_too():
    """At quality 100 this network takes 420 bytes, although the quality stands for 1.92 bits per pixel, 184 bytes."""
    encoded = encode(IMAGE, FAST, max_bytes=300)
    assert 240 < len(encoded.data) <= 300
    assert not encoded.stats.is_full_quality


def test_a_profile_counts_as_bytes():
    image = inrc.Image(IMAGE.pixels, pictures.icc_profile())
    encoded = encode(image, FAST, max_bytes=700)
    assert len(encoded.data) <= 700
    assert inrc.decode(encoded.data).icc_profile == image.icc_profile


def test_more_bytes_give_more_decibels():
    small, large = (encode(IMAGE, FAST, max_bytes=n).stats.psnr_db for n in (130, 400))
    assert large > small + 0.5


@pytest.mark.parametrize("target", [17.0, 19.0])
def test_target_psnr_is_met_within_a_tenth_of_a_decibel_from_above(target):
    encoded = encode(IMAGE, FAST, target_psnr=target)
    assert target <= encoded.stats.psnr_db <= target + 0.1
    mse = np.mean((inrc.decode(encoded.data).pixels.astype(float) - IMAGE.pixels) ** 2)
    assert 10 * np.log10(255**2 / mse) == pytest.approx(encoded.stats.psnr_db, abs=0.01)


@pytest.mark.slow
@pytest.mark.parametrize("target", [17.0, 19.0])
def test_each_picture_of_a_batch_meets_its_target_psnr_from_above(target):
    images = [IMAGE.pixels, np.ascontiguousarray(IMAGE.pixels[::-1])]
    for pixels, encoded in zip(images, inrc.encode_batch(images, FAST, target_psnr=target), strict=True):
        assert isinstance(encoded, Encoded)
        assert target <= encoded.stats.psnr_db < target + CoordinateFamily.psnr_margin_db
        assert psnr_db(pixels, inrc.decode(encoded.data).pixels) == pytest.approx(encoded.stats.psnr_db)


def test_what_is_out_of_reach_is_said_with_what_was_reached():
    with pytest.raises(TargetNotReachedError, match=r"90 dB are asked for; \d\d\.\d\d dB were reached"):
        encode(IMAGE, FAST, target_psnr=90.0)


def test_an_interrupted_encode_is_a_file():
    calls = []

    def progress(state: Progress) -> None:
        calls.append(state)
        raise KeyboardInterrupt

    encoded = encode(IMAGE, FAST, progress=progress)
    assert encoded.stats.interrupted
    assert len(calls) == 1
    assert inrc.decode(encoded.data).pixels.shape == IMAGE.pixels.shape


def test_an_interrupted_search_makes_no_further_fit_and_is_a_file():
    calls = []

    def progress(state: Progress) -> None:
        calls.append(state)
        raise KeyboardInterrupt

    encoded = encode(IMAGE, FAST, target_psnr=60.0, progress=progress)
    assert encoded.stats.interrupted
    assert len(calls) == 1


@pytest.mark.parametrize("family", ["coordinate", pytest.param("latent", marks=pytest.mark.slow)])
def test_a_search_for_decibels_that_is_cut_short_gives_the_nearest_of_its_fits(family, monkeypatch):
    options = {"coordinate": dataclasses.replace(FAST, init="none"), "latent": latents.OPTIONS}[family]
    image = {"coordinate": IMAGE, "latent": latents.IMAGE}[family]
    fits: list[Candidate] = []

    def progress(_: Progress) -> None:
        if fits:  # the second fit
            raise KeyboardInterrupt

    job = Job(image, dataclasses.replace(options, target_psnr=60.0), progress, None)
    fit = job.fit

    def noted(plan: Plan) -> Candidate:
        fits.append(fit(plan))
        return fits[-1]

    monkeypatch.setattr(job, "fit", noted)
    plan = job.first_plan()
    found = meet_target(job, plan, job.fit(plan))
    assert [candidate.result.interrupted for candidate in fits] == [False, True]
    values = [job.psnr_of(candidate.file) for candidate in fits]
    assert values[0] != values[1]
    assert found.candidate is fits[int(np.argmax(values))]


@pytest.mark.parametrize("family", ["coordinate", "latent"])
def test_errors_say_what_was_reached_and_what_to_do(family):
    options = {"coordinate": FAST, "latent": latents.OPTIONS}[family]
    for target, reached, message in (
        ({"target_psnr": 30.0}, 28.5, "30 dB are asked for; 28.50 dB were reached: ask for less or give more effort"),
        (
            {"max_bytes": 300},
            np.log2(331),
            "300 bytes are asked for; 331 were reached: ask for more or give more effort",
        ),
    ):
        goal = search._goal_of(Job(IMAGE, dataclasses.replace(options, **target), None, None))
        assert goal is not None
        assert goal.unreached(reached) == message
        assert not goal.admits(reached)


@pytest.mark.slow
def test_bytes_that_no_trial_of_latents_reaches_are_an_error():
    fit = dataclasses.replace(latents.FIT, n_steps=20)
    with pytest.raises(TargetNotReachedError, match=r"35 bytes are asked for; \d\d were reached: ask for more"):
        encode(dataclasses.replace(latents.IMAGE, icc_profile=b""), latents.OPTIONS, fit=fit, max_bytes=35)


@pytest.mark.slow
def test_quality_moves_bytes():
    small, large = (encode(IMAGE, quality=quality, effort=1) for quality in (20, 80))
    small_bytes, large_bytes = (len(encoded.data) - encoded.stats.header_bytes for encoded in (small, large))
    assert 2 * small_bytes < large_bytes
    assert small.stats.n_weights < large.stats.n_weights


@pytest.mark.slow
@pytest.mark.parametrize("codec", inrc.presets.COORDINATE_CODECS)
def test_quality_is_monotone_for_every_codec(codec):
    """At 256x384 pixels the lowest qualities, too, pay for more weights than the least network of a codec has."""
    image = inrc.Image(np.ascontiguousarray(inrc.read_image(COFFEE).pixels[72:328, 108:492]))
    encoded = [encode(image, codec=codec, quality=quality, effort=2) for quality in range(0, 101, 20)]
    sizes, values = [len(e.data) for e in encoded], [e.stats.psnr_db for e in encoded]
    assert sizes == sorted(set(sizes))
    assert values == sorted(set(values))
