"""What every test shares: JAX's strictness, its compiled programs and a small photograph."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jaxtyping
import numpy as np
import numpy.typing as npt
import pytest
from jax.experimental.compilation_cache import compilation_cache
from jaxtyping import install_import_hook
from PIL import Image

import tests.type_checks

# The shapes in annotations are checked wherever tests call these rooms; the hook must come before their first import.
# The coder's functions of single integers (`coder`, `weight_scales`, `tables`) are left out: a file calls them a
# million times, and tests hold the decoder to seconds.
_CHECKED = ("inrc.models", "inrc.fit", "inrc.codec", "inrc.entropy.context", "inrc.entropy.latent_rate")
_CHECKED += ("inrc.entropy.latent_tables", "inrc.entropy.rate", "inrc.entropy.stream", "inrc.entropy.wavefront")
install_import_hook(_CHECKED, f"{tests.type_checks.__name__}.checked")

KEPT_FROM_SECONDS = 0.1
"""Compile time from which programs are kept: a test compiles many small ones."""
ROOT = Path(__file__).parent.parent
COFFEE = ROOT / "experiments" / "assets" / "coffee.png"
COFFEE_SMALL = COFFEE.with_name("coffee_small.png")

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

# Arrays of different rank broadcast silently and hide shape mistakes. Scalars are exempt.
jax.config.update("jax_numpy_rank_promotion", "raise")


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of this test run, the same for all workers of pytest-xdist."""
    folder = tmp_path_factory.getbasetemp()
    return folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder


@pytest.fixture(scope="session", autouse=True)
def compiled_programs(shared_folder: Path) -> Path:
    """Where all workers, and the commands that tests run, keep what they compile: it takes most of the tests' time."""
    folder = shared_folder / "inrc-cache" / "jax"
    folder.mkdir(parents=True, exist_ok=True)
    compilation_cache.reset_cache()  # JAX asks once per process whether there is one
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", KEPT_FROM_SECONDS)
    return folder


@pytest.fixture
def unchecked_types() -> Iterator[None]:
    """Annotations are not checked during a test, as where users call: for values of types that are refused."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture(scope="session")
def coffee_small() -> npt.NDArray[np.uint8]:
    """A small RGB photograph, uint8 [H, W, 3]; read-only, since tests share it."""
    with Image.open(COFFEE_SMALL) as picture:
        pixels = np.array(picture.convert("RGB"))
    pixels.flags.writeable = False
    return pixels


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Headless Chromium."""
    if CHROMIUM is None:
        pytest.skip("there is no Chromium: `make browser` installs it on Debian")
    api = pytest.importorskip("playwright.sync_api")
    with api.sync_playwright() as playwright:
        # The sandbox is off, since containers rarely have the rights for it, and the pages are our own.
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()
