"""Compiled programs are dropped before a process has too many of them."""

import sys

import jax
import jax.numpy as jnp
import pytest

from inrc import programs

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits and counts mappings"),
]


@pytest.fixture
def compiled():
    """A function with programs for 40 shapes."""
    function = jax.jit(lambda x: jnp.cumsum(jnp.sin(x)))
    for n in range(1, 41):
        function(jnp.zeros(n))
    return function


@pytest.fixture
def limit(monkeypatch, tmp_path):
    """Sets how many mappings the system grants."""

    def set_to(n: int) -> None:
        path = tmp_path / "max_map_count"
        path.write_text(f"{n}\n")
        monkeypatch.setattr(programs, "_MOST_MAPPINGS", path)
        monkeypatch.setattr(programs, "_counted", -1e9)

    return set_to


def test_programs_are_dropped_near_the_limit_and_their_mappings_are_given_back(compiled, limit):
    before = programs.n_mappings()
    limit(before)
    programs.drop_if_many()
    assert compiled._cache_size() == 0
    assert programs.n_mappings() < before - 40
    assert compiled(jnp.ones(1))[0] == jnp.sin(1.0)


def test_programs_stay_far_from_the_limit(compiled, limit):
    limit(10 * programs.n_mappings())
    programs.drop_if_many()
    assert compiled._cache_size() == 40


def test_programs_stay_where_the_system_tells_no_limit(compiled, monkeypatch, tmp_path):
    monkeypatch.setattr(programs, "_MOST_MAPPINGS", tmp_path / "missing")
    monkeypatch.setattr(programs, "_counted", -1e9)
    programs.drop_if_many()
    assert compiled._cache_size() == 40


def test_mappings_are_counted_once_a_second(compiled, limit):
    limit(10 * programs.n_mappings())
    programs.drop_if_many()
    programs._MOST_MAPPINGS.write_text("1")
    programs.drop_if_many()
    assert compiled._cache_size() == 40
