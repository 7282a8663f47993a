"""NumPy and JAX render the same pixels, within a rounding."""

import sys
from typing import Any

import numpy as np
import pytest

import inrc
from inrc import forks
from inrc.models import renderers
from inrc.models.view import Antialias
from tests.golden.make import FOLDER
from tests.golden.test_golden import NAMES

FAST = ("codec-siren", "codec-hash-grid", "latent-rgba-16")
VIEWS: tuple[dict[str, Any], ...] = (
    {},
    {"scale": 2.0},
    {"scale": 0.4},
    {"size": (13, 9)},
    {"scale": 0.4, "antialias": Antialias.DAMP},
)


@pytest.mark.parametrize("name", [n if n in FAST else pytest.param(n, marks=pytest.mark.slow) for n in NAMES])
def test_both_are_within_a_rounding(name, monkeypatch):
    data = (FOLDER / f"{name}.inr").read_bytes()
    init = FOLDER / "init.npz" if name.startswith("init-") else None
    differences, is_deep = [], False
    for view in VIEWS:
        pixels = []
        for by_jax in (False, True):
            monkeypatch.setattr(renderers, "on_accelerator", lambda chosen=by_jax: chosen)
            pixels.append(inrc.decode(data, init=init, **view).pixels)
        is_deep = pixels[0].dtype == np.uint16
        differences.append(np.abs(pixels[0].astype(np.int64) - pixels[1]).ravel())
    together = np.concatenate(differences)
    assert together.max() <= (4 if is_deep else 1)
    # Values in the middle between two pixels are few; with 16 bits a pixel is as small as the rounding of a sum.
    assert together.mean() < (0.5 if is_deep else 0.01)


def test_jax_renders_where_it_has_an_accelerator(monkeypatch):
    class OnGpu:
        @staticmethod
        def default_backend() -> str:
            return "gpu"

    monkeypatch.setattr(forks, "_has_started", lambda: True)
    monkeypatch.setitem(sys.modules, "jax", OnGpu)  # pyright: ignore[reportArgumentType]
    assert renderers.on_accelerator()
    monkeypatch.setattr(forks, "_is_forked", True)
    assert not renderers.on_accelerator()
    monkeypatch.setattr(forks, "_is_forked", False)
    monkeypatch.setattr(OnGpu, "default_backend", staticmethod(lambda: "cpu"))
    assert not renderers.on_accelerator()
    monkeypatch.setattr(forks, "_has_started", lambda: False)
    assert not renderers.on_accelerator()
