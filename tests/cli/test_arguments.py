"""Parts of the command line, tested in this process."""

import dataclasses
import json
import math
import os
import typing

import pytest

from inrc.cli import jax_setup
from inrc.cli.arguments import as_json
from inrc.cli.encoding import EncodingArguments
from inrc.cli.interrupt import run_interruptibly
from inrc.cli.outputs import output_path
from inrc.cli.progress import _quality, duration
from inrc.codec.encode import encode
from inrc.codec.options import EncodeKeywords, EncodeOptions
from inrc.errors import ConfigError, UnwritableImageError
from inrc.presets import LOSSES
from inrc.signal.colour import ColourTransform


def test_encode_offers_what_the_package_has():
    hints = typing.get_type_hints(EncodingArguments, include_extras=True)
    (loss,) = hints["loss"].__metadata__
    assert set(loss.choices) == {"auto", *LOSSES}
    colours = {name.upper().replace("-", "_") for name in typing.get_args(hints["colour"])}
    assert colours == {"AUTO", *ColourTransform.__members__}


def test_encode_has_the_defaults_of_the_api():
    default = EncodeOptions()
    names = {field.name for field in dataclasses.fields(EncodingArguments)}
    assert names == {field.name for field in dataclasses.fields(EncodeOptions)} - {"model", "fit"}
    for name in names & {field.name for field in dataclasses.fields(EncodeOptions)} - {"colour", "loss"}:
        assert getattr(EncodingArguments, name, None) == getattr(default, name), name
    assert EncodingArguments().options() == default
    assert EncodingArguments(colour="ycocg").options().colour is ColourTransform.YCOCG
    assert EncodingArguments(loss="gradient").options().loss == "gradient"


def test_keywords_of_the_api_are_the_fields_of_its_options(coffee_small):
    assert set(EncodeKeywords.__annotations__) == {field.name for field in dataclasses.fields(EncodeOptions)}
    with pytest.raises(TypeError, match="qualty"):
        encode(coffee_small, qualty=3)  # pyright: ignore
    with pytest.raises(ConfigError, match="the quality is 101"):
        encode(coffee_small, EncodeOptions(effort=1), quality=101)


def test_json_has_no_infinity():
    assert json.loads(as_json({"psnr_db": math.inf, "bpp": 0.5, "n": 3})) == {"psnr_db": None, "bpp": 0.5, "n": 3}


def test_output_names(tmp_path):
    source = tmp_path / "photo.jpg"
    source.touch()
    assert output_path(source, None, ".inr", force=False) == tmp_path / "photo.inr"
    (tmp_path / "photo.inr").touch()
    with pytest.raises(ConfigError, match="exists"):
        output_path(source, None, ".inr", force=False)
    assert output_path(source, None, ".inr", force=True) == tmp_path / "photo.inr"
    assert output_path(source, tmp_path / "photo.inr", ".inr", force=False) == tmp_path / "photo.inr"
    with pytest.raises(ConfigError, match="the input itself"):
        output_path(source, tmp_path / "." / "photo.jpg", ".inr", force=True)
    with pytest.raises(UnwritableImageError, match="it is a folder"):
        output_path(source, tmp_path, ".inr", force=True)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_folders_without_permission(tmp_path):
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o500)
    with pytest.raises(UnwritableImageError, match="Permission denied"):
        output_path(tmp_path / "photo.jpg", folder / "photo.inr", ".inr", force=False)


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"INRC_CACHE_DIR": "/a"}, "/a/jax"),
        ({"INRC_CACHE_DIR": "/a", "XDG_CACHE_HOME": "/b"}, "/a/jax"),
        ({"XDG_CACHE_HOME": "/b"}, "/b/inrc/jax"),
        ({"HOME": "/c", "XDG_CACHE_HOME": ""}, "/c/.cache/inrc/jax"),
    ],
)
def test_cache_folder(monkeypatch, variables, expected):
    monkeypatch.delenv("INRC_CACHE_DIR", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert str(jax_setup.cache_folder()) == expected


def test_the_cache_loses_what_was_used_longest_ago(monkeypatch, tmp_path):
    monkeypatch.setattr(jax_setup, "_MAX_BYTES", 100)
    for age in range(10):
        path = tmp_path / f"program-{age}"
        path.write_bytes(bytes(10))
        os.utime(path, (1e9 - age, 1e9 - age))
    jax_setup._prune(tmp_path)
    assert len(list(tmp_path.iterdir())) == 10  # at the limit, not above it
    (tmp_path / "program-10").write_bytes(bytes(5))
    jax_setup._prune(tmp_path)
    names = {p.name for p in tmp_path.iterdir()}
    assert names == {"program-10", "program-0", "program-1", "program-2", "program-3"}


def test_errors_of_a_worker_reach_the_caller():
    def work(stop):
        assert not stop.is_set()
        raise ConfigError("no")

    with pytest.raises(ConfigError, match="no"):
        run_interruptibly(work, lambda: None)


def test_what_the_progress_bar_says():
    assert [duration(s) for s in (0.2, 59.4, 59.6, 3599.7, 7380)] == ["0 s", "59 s", "1:00 min", "1:00 h", "2:03 h"]
    assert _quality(1e-3, True) == "30.0 dB"
    assert _quality(0.0, True) == "100.0 dB"
    assert _quality(0.0123, False) == "loss 0.0123"
