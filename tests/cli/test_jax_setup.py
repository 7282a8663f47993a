"""Settings that the commands make before JAX is imported, and platforms that JAX does not have."""

import importlib.util
import subprocess
import sys

import pytest

from inrc.cli import jax_platforms
from inrc.cli.jax_platforms import check_platforms
from inrc.errors import ConfigError
from tests.conftest import COFFEE_SMALL
from tests.golden.make import FOLDER

AT_THE_IMPORT_OF_JAX = """
import os, sys

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "jax":
            print("level", os.environ.get("TF_CPP_MIN_LOG_LEVEL"), flush=True)
            os._exit(0)
        return None

sys.meta_path.insert(0, Finder())
from inrc.cli.app import main
main(sys.argv[1:])
"""


@pytest.mark.parametrize("arguments", [("encode", COFFEE_SMALL, "-o", "a.inr"), ("batch", COFFEE_SMALL, "out")])
@pytest.mark.parametrize(("of_user", "level"), [(None, "3"), ("0", "0")])
def test_the_compiler_log_is_off_before_jax_is_imported_and_a_level_of_the_user_stays(
    inrc_command, tmp_path, arguments, of_user, level
):
    environment = {name: value for name, value in inrc_command.environment.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    if of_user is not None:
        environment["TF_CPP_MIN_LOG_LEVEL"] = of_user
    command = [sys.executable, "-c", AT_THE_IMPORT_OF_JAX, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment, check=False)
    assert done.stdout.splitlines() == [f"level {level}"], done.stderr


@pytest.mark.parametrize(
    ("variable", "value", "installed", "message"),
    [
        ("JAX_PLATFORMS", "cdua", False, "'cdua', but JAX has cpu here; set JAX_PLATFORMS=cpu, or unset it"),
        (
            "JAX_PLATFORMS",
            "cuda",
            False,
            r"'cuda', but JAX has cpu here; install the other by: pip install 'inrc\[cuda\]'",
        ),
        ("JAX_PLATFORMS", "cpu,tpu", False, r"'cpu,tpu', but JAX has cpu here; install .* 'inrc\[tpu\]', or set"),
        ("JAX_PLATFORMS", "tpu,nonsense", False, r"'tpu,nonsense', .*inrc\[tpu\]"),
        ("JAX_PLATFORM_NAME", "gpu", False, r"JAX_PLATFORM_NAME is 'gpu', .*inrc\[cuda\]"),
        (
            "JAX_PLATFORMS",
            "cuda",
            True,
            "'cuda', but JAX has cpu here: no driver of that kind; check its driver, or set",
        ),
        ("JAX_PLATFORMS", "a\n\x1b", False, r"JAX_PLATFORMS is 'a\\n\\x1b'"),
        ("JAX_PLATFORMS", "", False, "cannot start its devices: no driver of that kind; set JAX_PLATFORMS=cpu"),
    ],
)
def test_platforms_that_are_not_there(monkeypatch, variable, value, installed, message):
    def fail():
        raise RuntimeError("no driver\nof that kind (set JAX_PLATFORMS='' to automatically choose)")

    for name in ("JAX_PLATFORMS", "JAX_PLATFORM_NAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, value)
    monkeypatch.setattr("jax.devices", fail)
    monkeypatch.setattr(jax_platforms, "_available", lambda: ["cpu"])
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object() if installed else None)
    with pytest.raises(ConfigError, match=message):
        check_platforms()


def test_a_misspelt_platform_is_one_line(inrc_command, tmp_path):
    done = inrc_command.apart("encode", COFFEE_SMALL, "-o", tmp_path / "a.inr", JAX_PLATFORMS="cdua")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("inrc: error: JAX_PLATFORMS is 'cdua', but JAX has cpu")
    assert done.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_decoding_a_picture_needs_no_platform(inrc_command, tmp_path):
    done = inrc_command.apart("decode", FOLDER / "gray.inr", "-o", tmp_path / "a.png", JAX_PLATFORMS="cdua")
    assert (done.returncode, (tmp_path / "a.png").exists()) == (0, True), done.stderr


def test_an_unusable_cache_folder_changes_nothing(inrc_command, tmp_path):
    arguments = ("encode", COFFEE_SMALL, "-o", tmp_path / "a.inr", "-e", 1, "-q", 10)
    done = inrc_command.apart(*arguments, INRC_CACHE_DIR="/dev/null/inrc")
    assert done.returncode == 0
    assert done.stderr.count("\n") == 1
