"""Which shared inits encodes of coordinate networks take by themselves."""

import dataclasses

import pytest

from inrc import presets, shared_init
from inrc.codec.coordinate.format import INIT_COLOUR
from inrc.codec.families import choose_init, resolve
from inrc.codec.options import EncodeOptions
from inrc.config import ModelConfig
from inrc.shared_init import library
from tests.shared_init.inits import random_init

SHAPE, BPP = (64, 64), 1.0
SIREN = presets.COORDINATE_CODECS["siren"]
TAPERED = presets.model_for(SIREN, n_weights=presets.n_weights_for(BPP, 64 * 64), shape=SHAPE, n_outputs=3)
CONSTANT = dataclasses.replace(TAPERED, widths=(10, 10, 10, 10))


@pytest.fixture
def chosen(tmp_path, monkeypatch):
    """From the init that is shipped, and a codec, to whether an encode takes it."""
    monkeypatch.setattr(library, "_shipped_folders", lambda: [tmp_path])

    def is_chosen(model: ModelConfig, for_codec: str, codec: str = "siren") -> bool:
        shared_init.save(dataclasses.replace(random_init(model, SHAPE), codec=for_codec), tmp_path / "init.npz")
        return choose_init(EncodeOptions(codec=codec), SHAPE, 3, BPP) is not None

    return is_chosen


def test_an_init_is_for_codecs_whose_networks_have_its_form(chosen):
    assert chosen(TAPERED, "")
    assert not chosen(CONSTANT, "")
    assert not chosen(dataclasses.replace(TAPERED, omega_0=20), "")
    assert not chosen(dataclasses.replace(TAPERED, bias=False), "")


def test_of_inits_of_one_size_that_of_the_nearest_canvas_is_taken(tmp_path, monkeypatch):
    monkeypatch.setattr(library, "_shipped_folders", lambda: [tmp_path])
    for canvas in ((64, 64), (128, 192), (512, 768)):
        shared_init.save(random_init(TAPERED, canvas), tmp_path / f"{canvas[0]}.npz")
    for shape, canvas in (((60, 64), (64, 64)), ((64, 90), (128, 192)), ((128, 128), (128, 192))):
        init = choose_init(EncodeOptions(codec="siren"), shape, 3, BPP * 64 * 64 / (shape[0] * shape[1]))
        assert init is not None
        assert init.shape == canvas


def test_an_init_for_one_codec_is_for_no_other(chosen):
    assert not chosen(TAPERED, "another")
    assert chosen(TAPERED, "siren")


def test_codecs_whose_outputs_are_in_another_colour_take_none_by_themselves(chosen):
    strumpler = presets.COORDINATE_CODECS["strumpler"]
    assert isinstance(strumpler, presets.CoordinateCodec)
    assert strumpler.has_form_of(CONSTANT)
    assert not chosen(CONSTANT, "", codec="strumpler")


@pytest.mark.parametrize("codec", ["siren", "strumpler"])
def test_with_an_init_the_colour_is_that_of_inits_whatever_the_codec(codec):
    init = random_init(CONSTANT, SHAPE)
    assert resolve(EncodeOptions(codec=codec), SHAPE, 3, BPP, init).colour is INIT_COLOUR


@pytest.mark.parametrize("codec", presets.COORDINATE_CODECS.values(), ids=lambda codec: codec.name)
def test_a_codec_knows_its_networks_of_all_sizes(codec):
    for n_weights in (300, 3000, 30_000):
        model = presets.model_for(codec, n_weights=n_weights, shape=SHAPE, n_outputs=3, exact=True)
        assert codec.has_form_of(model)
        assert not codec.has_form_of(dataclasses.replace(model, widths=(*model.widths, 2)))


@pytest.mark.parametrize("bpp", [0.25, 0.5, 1.0, 2.0])
def test_small_pictures_have_an_init_of_the_package(bpp):
    init = choose_init(EncodeOptions(codec="siren"), SHAPE, 3, bpp)
    assert init is not None
    assert init.codec == ""
