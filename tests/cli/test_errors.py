"""Exit codes are 1 with one line for a typed error, and 2 for wrong usage; help is shown without importing JAX."""

from importlib.metadata import version

import pytest

from tests.conftest import COFFEE_SMALL

USAGE = {
    "no command": ([], "encode, batch, decode, info, view, codecs"),
    "no experiment": (["evaluate"], "EXPERIMENT.py"),
    "unknown command": (["compress", "a.png"], "compress"),
    "no input": (["encode"], "IN"),
    "unknown option": (["encode", "a.png", "--qualty", "3"], "--quality"),
    "not a number": (["encode", "a.png", "-q", "high"], "high"),
    "unknown codec": (["encode", "a.png", "--codec", "jpeg"], "siren"),
    "two targets": (["encode", "a.png", "--target-bpp", "1", "--max-bytes", "9"], "--max-bytes"),
    "no output": (["batch", "photos"], "OUT"),
    "two targets of a batch": (["batch", "a", "b", "--target-bpp", "1", "--max-bytes", "9"], "--max-bytes"),
    "scale and size": (["decode", "a.inr", "--scale", "2", "--size", "4x4"], "--scale"),
    "malformed size": (["decode", "a.inr", "--size", "4"], "WxH"),
    "malformed region": (["decode", "a.inr", "--region", "1,2,3"], "X,Y,W,H"),
}

COMMANDS = ("encode", "batch", "decode", "info", "codecs", "evaluate", "plot", "report")

WITHOUT_JAX = """
import sys
from inrc.cli.app import main
try:
    code = main(sys.argv[1:])
except SystemExit as exit:
    code = exit.code
sys.exit(99 if "jax" in sys.modules else code)
"""


@pytest.mark.parametrize("case", USAGE)
def test_wrong_usage_exits_with_2_and_says_what_is_right(inrc_command, case):
    arguments, hint = USAGE[case]
    done = inrc_command.python(WITHOUT_JAX, *arguments)
    assert done.returncode == 2  # 99 would mean that JAX was imported
    assert done.stdout == ""
    assert hint in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS)])
def test_help_comes_without_jax(inrc_command, command):
    done = inrc_command.python(WITHOUT_JAX, *command, "--help")
    assert done.returncode == 0
    assert done.stdout.startswith("usage: inrc")


def test_version(inrc_command):
    assert inrc_command("--version").stdout == f"inrc {version('inrc')}\n"


def _error(done) -> str:
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("inrc: error: ")
    assert done.stderr.count("\n") == 1
    return done.stderr


def test_inputs_that_cannot_be_used(inrc_command, tmp_path):
    (tmp_path / "text.png").write_text("not a picture")
    assert "missing.png: No such file" in _error(inrc_command("encode", tmp_path / "missing.png"))
    assert "text.png" in _error(inrc_command("encode", tmp_path / "text.png"))
    assert "missing.inr: No such file" in _error(inrc_command("decode", tmp_path / "missing.inr"))
    assert "not an .inr file" in _error(inrc_command("decode", COFFEE_SMALL, "-o", tmp_path / "out.png"))
    assert "not an .inr file" in _error(inrc_command("info", COFFEE_SMALL, "--json"))
    assert [p.name for p in tmp_path.iterdir()] == ["text.png"]


def test_outputs_that_cannot_be_written_are_found_out_first(inrc_command, encoded, tmp_path):
    nowhere = tmp_path / "no" / "such.inr"
    assert "its folder does not exist" in _error(inrc_command("encode", COFFEE_SMALL, "-o", nowhere))
    assert "it is a folder" in _error(inrc_command("decode", encoded.path, "-o", tmp_path))
    assert "the input itself" in _error(inrc_command("encode", COFFEE_SMALL, "-o", COFFEE_SMALL))
    assert "says no format" in _error(inrc_command("decode", encoded.path, "-o", tmp_path / "out.gif"))
    assert not list(tmp_path.iterdir())


def test_options_out_of_range(inrc_command, encoded, tmp_path):
    out = tmp_path / "out"
    assert "the quality is 101" in _error(inrc_command("encode", COFFEE_SMALL, "-o", out, "-q", 101))
    arguments = ("decode", encoded.path, "-o", tmp_path / "out.png")
    assert "does not lie within the 96x64 picture" in _error(inrc_command(*arguments, "--region", "90,0,20,20"))
    assert "the limit is" in _error(inrc_command(*arguments, "--scale", 1000))
    assert not list(tmp_path.iterdir())


def test_inits_that_are_not_there(inrc_command, encoded, tmp_path):
    (tmp_path / "text.npz").write_text("not an init")
    out = tmp_path / "out.inr"
    for name, message in (
        ("missing.npz", "No such file"),
        ("text.npz", "no shared init"),
        ("0123abcd", "no shared in"),
    ):
        path = tmp_path / name if name.endswith("npz") else name
        assert message in _error(inrc_command("encode", COFFEE_SMALL, "-o", out, "--init", path))
        assert message in _error(inrc_command("decode", encoded.path, "-o", tmp_path / "out.png", "--init", path))
        assert message in _error(inrc_command("info", encoded.path, "--init", path, "--json"))
    assert [p.name for p in tmp_path.iterdir()] == ["text.npz"]


def test_damaged_files(inrc_command, encoded, tmp_path):
    data = encoded.path.read_bytes()
    (tmp_path / "cut.inr").write_bytes(data[: len(data) // 2])
    (tmp_path / "flipped.inr").write_bytes(data[:60] + bytes([data[60] ^ 1]) + data[61:])
    for name in ("cut.inr", "flipped.inr"):
        _error(inrc_command("decode", tmp_path / name))
    assert not list(tmp_path.glob("*.png"))
