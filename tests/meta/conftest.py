"""One compilation cache for all tests of meta-learning: every run compiles its steps anew."""

from collections.abc import Iterator
from pathlib import Path

import jax
import pytest
from jax.experimental.compilation_cache import compilation_cache


@pytest.fixture(scope="package", autouse=True)
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The cache's folder."""
    folder = tmp_path_factory.mktemp("jax")
    compilation_cache.reset_cache()  # JAX asks once per process whether there is one
    jax.config.update("jax_compilation_cache_dir", str(folder))
    yield folder
    jax.config.update("jax_compilation_cache_dir", None)
    compilation_cache.reset_cache()
