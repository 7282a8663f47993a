import math
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import inrc
from inrc.checks import checked_choice, checked_number
from inrc.codec.options import EncodeOptions
from inrc.errors import ConfigError
from inrc.fit.task import MAX_SEED
from inrc.models.view import Antialias, view_of
from inrc.signal.colour import ColourTransform

_OPTIONS: Any = EncodeOptions  # what users give has types of all kinds
_VIEW_OF: Any = view_of

NO_NUMBERS = (math.nan, math.inf, -math.inf, "3", None, True, [1], b"1", 1j, np.array([1.0]), np.bool_(True), object())


@pytest.mark.parametrize("value", NO_NUMBERS, ids=lambda value: type(value).__name__)
def test_what_is_no_number_is_refused(value):
    for whole in (False, True):
        with pytest.raises(ConfigError, match=r"^n is .*; it must be a (whole )?number in 0\.\.10$"):
            checked_number("n", value, 0, 10, whole=whole)


def test_ranges():
    assert checked_number("n", 0, 0, 10) == 0
    assert checked_number("n", 10, 0, 10) == 10
    assert checked_number("n", 1e300, 0) == 1e300
    for value in (-1e-9, 10.1, -1, 11, 10**400, -(10**5000)):
        with pytest.raises(ConfigError, match=r"it must be a number in 0\.\.10$"):
            checked_number("n", value, 0, 10)
    with pytest.raises(ConfigError, match=r"n is 0; it must be a number above 0$"):
        checked_number("n", 0, 0, above=True)
    with pytest.raises(ConfigError, match=r"n is 0; it must be a number above 0 and at most 2$"):
        checked_number("n", 0, 0, 2, above=True)
    with pytest.raises(ConfigError, match=r"n is -1; it must be a whole number of at least 0$"):
        checked_number("n", -1, 0, whole=True)
    with pytest.raises(ConfigError, match=r"n is 1\.5; it must be a whole number"):
        checked_number("n", 1.5, 0, whole=True)


@pytest.mark.parametrize(
    "value",
    [3, 3.0, np.int64(3), np.uint8(3), np.float32(3), np.array(3), jnp.int32(3)],
    ids=lambda value: type(value).__name__,
)
def test_scalars_become_numbers_of_python(value):
    for whole in (False, True):
        number = checked_number("n", value, 0, 10, whole=whole)
        assert number == 3
        assert type(number) in ((int,) if whole else (int, float))


NUMBERS = {
    "quality": (-1, 100.1),
    "effort": (0, 10, 4.5),
    "seed": (-1, MAX_SEED + 1, 0.5),
    "target_psnr": (0, -1, 201),
    "target_bpp": (0, -1, 1e7),
    "max_bytes": (0, -1, 2**63, 10**400, 10.5),
    "time_budget": (0, -1),
}


@pytest.mark.usefixtures("unchecked_types")
@pytest.mark.parametrize("name", NUMBERS)
def test_every_number_of_an_encode_is_checked(name):
    optional = name not in ("quality", "effort", "seed")
    for value in (*NUMBERS[name], math.nan, math.inf, -math.inf, "3", True, *([] if optional else [None])):
        with pytest.raises(ConfigError, match=f"{name} is .*; it must be a (whole )?number"):
            _OPTIONS(**{name: value})
    assert _OPTIONS(**{name: np.float64(7)}) == _OPTIONS(**{name: 7})
    assert "np" not in repr(_OPTIONS(**{name: np.float64(7)}))  # checkpoints are named by a hash of it


@pytest.mark.usefixtures("unchecked_types")
@pytest.mark.parametrize(
    "numbers",
    [
        *({"scale": scale} for scale in (0, -1, math.nan, math.inf, 1e308, 10**400, "2")),
        *({"size": size} for size in ((0, 5), (5, -1), (2.5, 3), (math.nan, 3), (10**5000, 3), (3,), (1, 2, 3), 7)),
        *({"region": (0, 0, side, 5)} for side in (0, -1, math.nan, math.inf, 10**400, 11, None)),
        {"region": (-1, 0, 5, 5)},
        {"region": (0, 0, 5)},
    ],
)
def test_every_number_of_a_view_is_checked(numbers):
    with pytest.raises(ConfigError, match=r"the (scale|size|region|width|height|left)"):
        _VIEW_OF((10, 10), **numbers)


@pytest.mark.parametrize("given", [Antialias.DAMP, "damp"])
def test_choices_are_members_or_their_names(given):
    assert checked_choice("antialias", given, Antialias) is Antialias.DAMP


@pytest.mark.parametrize("given", ["box", "DAMP", None, 1, ["damp"]])
def test_other_choices_are_refused_with_the_names_there_are(given):
    with pytest.raises(ConfigError, match=r"there is no antialias .*; there are supersample, damp, none"):
        checked_choice("antialias", given, Antialias)


@pytest.mark.usefixtures("unchecked_types")
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"codec": None}, "there is no codec None; there are latent-grid"),
        ({"codec": "jpeg"}, "there is no codec 'jpeg'"),
        ({"loss": ["mse"]}, r"there is no loss \['mse'\]; there are mse"),
        ({"colour": "cmyk"}, "there is no colour 'cmyk'; there are rgb, ycbcr, ycocg, ycocg-orthonormal"),
        ({"colour": 1.0}, "there is no colour 1.0"),
        ({"init": None}, "the init is a NoneType; give the path"),
        ({"quality": None}, "the quality is None"),
        ({"fit": "long"}, "fit is a str"),
    ],
)
def test_every_choice_of_an_encode_is_checked(options, message):
    with pytest.raises(ConfigError, match=message):
        inrc.encode(np.zeros((4, 4, 3), np.uint8), **options)


@pytest.mark.usefixtures("unchecked_types")
def test_names_mean_what_they_say():
    options = EncodeOptions(colour="ycocg-orthonormal", init=Path("a.npz"))  # pyright: ignore[reportArgumentType]
    assert options.colour is ColourTransform.YCOCG_ORTHONORMAL
    assert options.init == "a.npz"


@pytest.mark.usefixtures("unchecked_types")
def test_a_render_knows_its_ways_by_name():
    data = (Path(__file__).parent / "golden" / "v1" / "latent-portrait.inr").read_bytes()
    plain = inrc.decode(data, scale=0.5, antialias="none")
    assert (plain.pixels == inrc.decode(data, scale=0.5, antialias=Antialias.NONE).pixels).all()
    with pytest.raises(ConfigError, match="there is no antialias 'box'"):
        inrc.decode(data, antialias="box")
