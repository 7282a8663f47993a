import dataclasses
import json

import numpy as np
import pytest

import inrc
from inrc import shared_init
from inrc.baselines.interface import Encoding, MeasuredCodec, Pixels
from inrc.codec.options import EncodeOptions
from inrc.config import ModelConfig
from inrc.errors import ConfigError, InitMismatchError
from inrc.evaluate import ours
from inrc.evaluate.ours import inrc_codec, native, settings
from inrc.fit.coordinate.config import CoordinateFitConfig
from tests.shared_init.inits import random_init


def encoded(codec: MeasuredCodec, pixels: Pixels) -> Encoding:
    encoding = codec.encode(pixels, codec.points[0])
    assert isinstance(encoding, Encoding)
    return encoding


def test_it_is_the_public_encoder(coffee_small):
    codec = inrc_codec("inrc", (50.0,), effort=1, seed=3)
    encoding = encoded(codec, coffee_small)
    assert encoding.data == inrc.encode(coffee_small, quality=50.0, effort=1, seed=3).data
    np.testing.assert_array_equal(codec.decode(encoding.data), inrc.decode(encoding.data).pixels)
    assert encoding.details["n_weights"] == inrc.info(encoding.data).n_weights
    seconds, psnr, bpp = np.array(encoding.trace).T
    assert (np.diff(seconds) > 0).all()
    assert encoding.seconds is not None
    assert 0 < seconds[-1] < encoding.seconds - encoding.compile_seconds
    assert psnr[-1] == pytest.approx(inrc.encode(coffee_small, quality=50.0, effort=1, seed=3).stats.psnr_db, abs=1.5)
    assert bpp[-1] > 0
    assert len(seconds) <= 96


@pytest.mark.slow
def test_one_encode_serves_several_ways_to_decode(coffee_small):
    ours._encode.cache_clear()
    first = inrc_codec("one", (50.0,), effort=1)
    second = dataclasses.replace(first, name="two", decode=lambda data: inrc.decode(data, scale=2).pixels)
    assert encoded(first, coffee_small) is encoded(second, coffee_small)
    assert second.decode(encoded(first, coffee_small).data).shape == (128, 192, 3)
    other = inrc_codec("three", (50.0,), effort=1, prepare=lambda pixels: pixels[::2, ::2])
    assert native(encoded(other, coffee_small).data).shape == (32, 48, 3)


@pytest.mark.slow
def test_other_losses_have_no_trace_of_psnr(coffee_small):
    assert encoded(inrc_codec("l1", (50.0,), effort=1, loss="l1"), coffee_small).trace == []


def test_files_with_a_named_init_are_decoded_with_it(coffee_small, tmp_path):
    init = random_init()
    shared_init.save(init, tmp_path / "init.npz")
    codec = inrc_codec("inrc", (50.0,), fit=CoordinateFitConfig(n_passes=2), init=str(tmp_path / "init.npz"))
    data = encoded(codec, coffee_small).data
    np.testing.assert_array_equal(codec.decode(data), inrc.decode(data, init=init).pixels)
    with pytest.raises(InitMismatchError):
        native(data)


class TestSettings:
    def test_they_are_json_and_hold_what_presets_lead_to(self):
        values = settings(EncodeOptions(codec="siren", quality=40.0, effort=3))
        assert json.loads(json.dumps(values, allow_nan=False)) == values
        assert values["fit"]["n_passes"] == 35.0
        assert values["model"]["widths"][0] > values["model"]["widths"][-1]
        assert "target_bpp" not in values

    def test_every_option_changes_them(self):
        base = settings(EncodeOptions())
        changed = (
            EncodeOptions(quality=51.0),
            EncodeOptions(effort=6),
            EncodeOptions(loss="l1"),
            EncodeOptions(seed=1),
            EncodeOptions(codec="fourier"),
        )
        assert all(settings(options) != base for options in changed)
        assert settings(EncodeOptions(fit=CoordinateFitConfig(weight_bits=4))) != settings(
            EncodeOptions(fit=CoordinateFitConfig())
        )

    def test_without_an_init_they_do_not_mention_inits(self):
        # Records of releases without inits are found by the digest of these settings.
        base = settings(EncodeOptions(codec="siren"))
        assert "init" not in base
        assert settings(EncodeOptions(codec="siren", init="none")) == base

    def test_an_init_counts_by_its_content(self, tmp_path):
        init = random_init(ModelConfig(widths=(9, 7)), (512, 768))
        for name in ("a.npz", "b.npz"):
            shared_init.save(init, tmp_path / name)
        values = settings(EncodeOptions(init=str(tmp_path / "a.npz")))
        assert values["init"] == init.id.hex()
        assert values["model"]["widths"] == [9, 7]
        assert settings(EncodeOptions(init=str(tmp_path / "b.npz"))) == values
        assert json.loads(json.dumps(values, allow_nan=False)) == values

    def test_byte_targets_size_the_network(self):
        small, large = (
            settings(EncodeOptions(codec="siren", max_bytes=n))["model"]["widths"][0] for n in (4000, 40_000)
        )
        assert small < large / 2

    def test_an_option_of_whole_numbers_takes_them(self):
        assert inrc_codec("x", (1.0, 9.0), at="effort").settings(9.0)["effort"] == 9
        with pytest.raises(ConfigError):
            inrc_codec("x", (10.0,), at="effort").settings(10.0)
