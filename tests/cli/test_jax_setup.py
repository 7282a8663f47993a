"""Settings that the commands make before JAX is imported: XLA's log stays off stderr unless the user wants it."""

import subprocess
import sys

import pytest

from tests.conftest import COFFEE_SMALL

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
