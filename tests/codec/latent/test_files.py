"""Latent grids through the codec and back: one small picture, fitted once."""

import base64
import dataclasses
import json
import os
import subprocess
import sys

import numpy as np
import pytest

import inrc
from inrc import presets
from inrc.bitstream import container
from inrc.bitstream.header import pack as pack_header
from inrc.codec import file as files
from inrc.codec.encode import encode
from inrc.codec.options import EncodeOptions
from inrc.codec.settings import settings, settings_hash
from inrc.codec.stats import Encoded
from inrc.config import LatentGridConfig
from inrc.errors import ConfigError, LimitExceededError
from inrc.fit.coordinate.config import CoordinateFitConfig
from inrc.fit.latent.config import LatentFitConfig
from inrc.fit.optimiser import OptimiserConfig
from inrc.latent_layout import grids_of, latent_layout
from inrc.metrics.psnr import psnr_db
from inrc.signal.colour import ColourTransform
from tests.bitstream import reference_decoder
from tests.codec import pictures

MODEL = LatentGridConfig(
    n_grids=3, n_hyper=1, n_spatial=3, n_cross=2, n_cross_levels=1, context_layers=1, synthesis_width=4, n_residual=1,
    refinement=False,
)  # fmt: skip
# Programs are those of tests/fit/latent, which compile once per process.
FIT = LatentFitConfig(
    n_steps=60, lambda_rd=1e-4, steps_per_group=5, groups_per_chunk=4, optimiser=OptimiserConfig(preconditioned=False)
)
OPTIONS = EncodeOptions(codec="latent-grid", model=MODEL, fit=FIT)
IMAGE = pictures.crop(16, 12, 3, icc=pictures.icc_profile())
"""A portrait, which the networks see transposed."""


@pytest.fixture(scope="module")
def encoded() -> Encoded:
    return encode(IMAGE, OPTIONS)


def test_stats_are_those_of_the_bytes_and_of_the_decoded_pixels(encoded):
    stats = encoded.stats
    decoded = inrc.decode(encoded.data)
    assert decoded.icc_profile == IMAGE.icc_profile
    assert stats.psnr_db == psnr_db(IMAGE.pixels, decoded.pixels, bit_depth=8) > 12
    assert (stats.n_bytes, stats.bpp) == (len(encoded.data), 8 * len(encoded.data) / (16 * 12))
    assert stats.n_weights == sum(rows * columns for _, (rows, columns) in latent_layout(MODEL, 3))
    # 12 x 16, halved twice, and a hyper grid of the coarsest size.
    assert stats.n_latents == 12 * 16 + 6 * 8 + 2 * 3 * 4
    parsed = container.unpack(encoded.data, inrc.DecodeLimits())
    ideal = stats.bits_per_weight * stats.n_weights / 8 + stats.latent_bytes
    assert len(parsed.weights) == pytest.approx(ideal, abs=2)
    assert stats.header_bytes == len(pack_header(parsed.header)) + 4
    assert parsed.header.transposed
    assert parsed.header.colour is ColourTransform.RGB


def test_info_says_what_the_file_holds(encoded):
    info = inrc.info(encoded.data)
    assert info.header.model == MODEL
    assert (info.n_weights, info.n_latents) == (encoded.stats.n_weights, encoded.stats.n_latents)
    assert info.bits_per_weight == pytest.approx(encoded.stats.bits_per_weight)
    assert info.latent_bytes == pytest.approx(encoded.stats.latent_bytes)
    assert len(info.steps) == len(latent_layout(MODEL, 3))


def test_the_file_holds_what_was_fitted_and_comes_back_byte_for_byte(encoded):
    file = files.unpack(encoded.data, inrc.DecodeLimits())
    assert [grid.shape for grid in file.latents] == [grid.shape for grid in grids_of(MODEL, (12, 16))]
    assert any(grid.any() for grid in file.latents)
    assert files.pack(file) == encoded.data


def test_the_reference_decoder_decodes_the_same_picture(encoded):
    difference = inrc.decode(encoded.data).pixels - reference_decoder.samples(reference_decoder.read(encoded.data))
    assert np.abs(difference).max() < 0.51


DECODE = """
import base64, json, sys
from inrc.codec.decode import decode
pixels = decode(base64.b64decode(sys.stdin.read())).pixels.tolist()
import jax
loaded = [name for name in ("optax", "orbax", "matplotlib", "inrc.fit") if name in sys.modules]
print(json.dumps([pixels, loaded, jax.config.jax_enable_x64]))
"""


def test_another_process_of_other_settings_decodes_the_same_pixels_without_the_training_stack(encoded):
    run = subprocess.run(
        [sys.executable, "-c", DECODE],
        input=base64.b64encode(encoded.data).decode(),
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "JAX_ENABLE_X64": "1"},
    )
    pixels, loaded, wide = json.loads(run.stdout)
    assert (loaded, wide) == ([], True)
    np.testing.assert_array_equal(pixels, inrc.decode(encoded.data).pixels)


def test_a_view_is_one_of_the_picture_and_not_of_what_the_networks_see(encoded):
    whole = inrc.decode(encoded.data).pixels
    assert whole.shape == (16, 12, 3)
    np.testing.assert_array_equal(inrc.decode(encoded.data, region=(2, 7, 9, 5)).pixels, whole[7:12, 2:11])


def test_batches_fit_latents_one_by_one(encoded):
    other = pictures.crop(16, 12, 3)
    together = inrc.encode_batch([IMAGE, other], OPTIONS)
    alone = [encoded.data, encode(other, OPTIONS).data]
    assert [outcome.data for outcome in together if isinstance(outcome, Encoded)] == alone


def test_what_latent_grids_cannot_do_is_refused():
    with pytest.raises(ConfigError, match="YCBCR is asked for; networks of this family know RGB alone"):
        encode(IMAGE, OPTIONS, colour=ColourTransform.YCBCR)
    with pytest.raises(ConfigError, match="is a CoordinateFitConfig; this network needs a LatentFitConfig"):
        encode(IMAGE, OPTIONS, fit=CoordinateFitConfig())
    with pytest.raises(ConfigError, match="is a LatentFitConfig; this network needs a CoordinateFitConfig"):
        encode(IMAGE, OPTIONS, model=pictures.MODEL)


def test_limits_count_latents(encoded):
    n = encoded.stats.n_latents
    macs = MODEL.context_layers * MODEL.n_context**2 + 4 * MODEL.n_context
    enough = inrc.DecodeLimits(max_latents=n, max_context_multiplications=n * macs)
    assert inrc.info(encoded.data, limits=enough).n_latents == n
    for field, value in (("max_latents", n - 1), ("max_context_multiplications", n * macs - 1)):
        with pytest.raises(LimitExceededError, match=rf"the limit is {value}: raise {field}"):
            inrc.info(encoded.data, limits=dataclasses.replace(enough, **{field: value}))


def test_settings_have_the_networks_the_fit_and_the_colour():
    values = settings(EncodeOptions(codec="c3", quality=80, effort=2))
    assert values["model"] == dataclasses.asdict(presets.LATENT_CODECS["c3"].model)
    assert values["fit"]["n_steps"] == presets.steps_of_effort(2)
    assert values["fit"]["lambda_rd"] == presets.latent_lambda_of_bpp(presets.bpp_of_quality(80))
    assert values["colour"] == "rgb"
    assert json.loads(json.dumps(values)) == values
    # As before latent grids came, so that records stay those of their settings.
    assert settings(EncodeOptions(codec="siren"))["colour"] == "ycbcr"
    hashes = {settings_hash(EncodeOptions(codec=codec, effort=effort)) for codec in presets.CODECS for effort in (3, 4)}
    assert len(hashes) == 2 * len(presets.CODECS)
