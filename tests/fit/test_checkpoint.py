"""Checkpoints: exact, whole or not there, and bound to their input."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import optax
import pytest

from inrc.errors import CheckpointMismatchError
from inrc.fit import checkpoint
from tests.fit import problems

STATE = {"a": jnp.float32([[1.5, -2e-38]]), "b": (jnp.uint32(7), jnp.zeros((0, 3)))}
BEST = {"a": jnp.float32([[0.1, 3e38]]), "b": (jnp.uint32(2**32 - 1), jnp.zeros((0, 3)))}


def test_states_and_numbers_come_back_bit_for_bit(tmp_path):
    path = tmp_path / "fit.ckpt"
    numbers = {"chunk": 3, "fraction": 1 / 3, "best": float("inf")}
    checkpoint.save(path, "me", STATE, BEST, numbers)
    loaded = checkpoint.load(path, "me", STATE)
    assert loaded is not None
    state, best, meta = loaded
    for got, expected in ((state, STATE), (best, BEST)):
        np.testing.assert_array_equal(got["a"], expected["a"])
        assert got["b"][0] == expected["b"][0]
        assert got["b"][0].dtype == jnp.uint32
        assert got["b"][1].shape == (0, 3)
    assert {name: meta[name] for name in numbers} == numbers


def test_no_checkpoint_is_none(tmp_path):
    assert checkpoint.load(None, "me", STATE) is None
    assert checkpoint.load(tmp_path / "none", "me", STATE) is None


def test_nothing_but_the_checkpoint_is_left_behind(tmp_path):
    checkpoint.save(tmp_path / "fit.ckpt", "me", STATE, BEST, {})
    checkpoint.save(tmp_path / "fit.ckpt", "me", STATE, BEST, {})
    assert [p.name for p in tmp_path.iterdir()] == ["fit.ckpt"]


def test_a_failed_write_keeps_the_old_checkpoint(tmp_path, monkeypatch):
    path = tmp_path / "fit.ckpt"
    checkpoint.save(path, "me", STATE, BEST, {"chunk": 1})
    monkeypatch.setattr(checkpoint.os, "fsync", lambda _: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        checkpoint.save(path, "me", STATE, BEST, {"chunk": 2})
    loaded = checkpoint.load(path, "me", STATE)
    assert loaded is not None
    assert loaded[2]["chunk"] == 1
    assert [p.name for p in tmp_path.iterdir()] == ["fit.ckpt"]


def test_another_owner_or_another_shape_is_a_mismatch(tmp_path):
    path = tmp_path / "fit.ckpt"
    checkpoint.save(path, "me", STATE, BEST, {})
    with pytest.raises(CheckpointMismatchError, match="another picture or other options"):
        checkpoint.load(path, "you", STATE)
    with pytest.raises(CheckpointMismatchError, match="damaged"):
        checkpoint.load(path, "me", {**STATE, "a": jnp.zeros((2, 2))})


@pytest.mark.parametrize("keep", [0, 1, 100, -1])
def test_a_damaged_checkpoint_is_a_mismatch(tmp_path, keep):
    path = tmp_path / "fit.ckpt"
    checkpoint.save(path, "me", STATE, BEST, {})
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(CheckpointMismatchError, match="damaged"):
        checkpoint.load(path, "me", STATE)


def test_a_pickle_is_never_opened(tmp_path):
    path = tmp_path / "fit.ckpt"
    with path.open("wb") as file:
        np.savez(file, meta=np.array({"identity": "me"}, dtype=object))
    with pytest.raises(CheckpointMismatchError):
        checkpoint.load(path, "me", STATE)


def test_fingerprints_tell_inputs_apart():
    values = problems.picture()
    same = checkpoint.fingerprint([values, problems.MATRIX], problems.MODEL, problems.CONFIG)
    assert same == checkpoint.fingerprint([values.copy(), problems.MATRIX], problems.MODEL, problems.CONFIG)
    other = values.copy()
    other[0, 0, 0] += 1e-6
    assert same != checkpoint.fingerprint([other, problems.MATRIX], problems.MODEL, problems.CONFIG)
    assert same != checkpoint.fingerprint([values.reshape(3, 16, 12), problems.MATRIX], problems.MODEL, problems.CONFIG)


def test_fingerprints_tell_functions_apart_by_name_and_constants():
    def scaled(factor, within=None):
        def function(x):
            return factor * x if within is None else within(x)

        return function

    class Doubled:
        def __call__(self, x):
            return 2 * x

    def of(function):
        optimiser = optax.GradientTransformation(len, function)  # pyright: ignore[reportArgumentType]
        return checkpoint.fingerprint([], dataclasses.replace(problems.CONFIG, optimiser=optimiser))

    several = [scaled(2), scaled(3), scaled(2, within=scaled(2)), scaled(2, within=scaled(3)), Doubled(), len]
    assert len({of(function) for function in several}) == len(several)
    assert of(scaled(2, within=scaled(3))) == of(scaled(2, within=scaled(3)))
    assert of(Doubled()) == of(Doubled())
