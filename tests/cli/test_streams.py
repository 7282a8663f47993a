"""Standard streams that are closed, full, of another encoding; names in messages; and what libraries print."""

import json
import logging
import os
import struct
import subprocess
import sys
import warnings
import zlib
from pathlib import Path

import pytest

from inrc.cli.app import main
from inrc.cli.arguments import as_json
from inrc.cli.streams import standard_streams
from tests.golden.make import FOLDER

FILE = FOLDER / "gray.inr"


def _shell(inrc_command, command: str, cwd: Path | None = None, **environment: str):
    """Runs a line of a shell, in which $INRC is the script and $FILE an .inr file."""
    names = {"INRC": inrc_command.script, "FILE": str(FILE), "PYTHONUNBUFFERED": ""}
    environment = {**inrc_command.environment, **names, **environment}
    return subprocess.run(
        ["bash", "-c", command], cwd=cwd, env=environment, capture_output=True, timeout=60, check=False
    )


def test_closed_streams_do_not_cost_the_result(inrc_command, tmp_path):
    done = _shell(inrc_command, '"$INRC" decode "$FILE" -o out.png --json <&- >&- 2>&-', tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert (tmp_path / "out.png").read_bytes().startswith(b"\x89PNG")
    for redirect in ("", ">&-", "2>&-", "<&-", ">&- 2>&-", "2>/dev/full"):
        done = _shell(inrc_command, f'"$INRC" --version {redirect}')
        assert (done.returncode, done.stderr) == (0, b""), redirect
        assert done.stdout.startswith(b"inrc ") == (not redirect.startswith(">")), redirect
        done = _shell(inrc_command, f'"$INRC" info "" {redirect}')  # an error stays one
        assert (done.returncode, done.stdout) == (1, b""), redirect
        assert done.stderr.startswith(b"inrc: error: ") == ("2>" not in redirect), redirect


@pytest.mark.parametrize("buffering", ["", "1"])
def test_a_result_that_cannot_be_printed_is_an_error(inrc_command, buffering):
    done = _shell(inrc_command, '"$INRC" --version >/dev/full', PYTHONUNBUFFERED=buffering)
    assert done.returncode == 1
    assert done.stderr.startswith(b"inrc: error: cannot write to stdout: No space left")
    assert done.stderr.count(b"\n") == 1
    done = _shell(inrc_command, 'set -o pipefail; "$INRC" --version | true', PYTHONUNBUFFERED=buffering)
    assert (done.returncode in (0, 1), done.stderr) == (True, b"")


def test_bytes_go_to_stdout_and_come_from_stdin(inrc_command, tmp_path):
    done = _shell(inrc_command, '"$INRC" decode - -o - --format webp < "$FILE" > out', tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out").read_bytes()[8:12] == b"WEBP"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert _shell(inrc_command, 'cat "$FILE" | "$INRC" info -', tmp_path).stdout.startswith(b"-\n  file ")


def test_stdout_that_is_asked_for_and_closed_is_found_out_first(inrc_command, tmp_path):
    done = _shell(inrc_command, '"$INRC" decode "$FILE" -o - >&-; "$INRC" info - <&-', tmp_path)
    lines = done.stderr.decode().splitlines()
    assert [line.partition(";")[0] for line in lines] == [
        "inrc: error: cannot write to stdout: it is closed",
        "inrc: error: cannot read stdin: it is closed",
    ]


@pytest.mark.parametrize("environment", [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0"}])
def test_streams_of_another_encoding(inrc_command, tmp_path, environment):
    name = "é\n\x1b[31m\udcff.inr"
    (tmp_path / name).write_bytes(FILE.read_bytes())
    done = inrc_command.apart("info", name, cwd=tmp_path, PYTHONUTF8="0", **environment)
    assert done.returncode == 0, done.stderr
    # Where the locale knows ASCII alone, the two bytes of é are no text either.
    shown = r"\xc3\xa9" if "LC_ALL" in environment else r"\xe9"
    assert done.stdout.startswith(shown + r"\n\x1b[31m\xff.inr" + "\n  file ")


def test_presets_on_a_stream_of_another_encoding(inrc_command):
    done = inrc_command.apart("codecs", PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "")
    assert r"Str\xfcmpler" in done.stdout


def test_json_gives_names_back():
    name = "é\n\x1b[31m\x7f\u202e\udcff.inr"
    line = as_json({"input": Path(name)})
    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line)["input"] == name


def test_names_in_errors_are_safe(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for arguments in (("info", "a\n\x1b[31m\u202e\udcff"), ("encode", "a\n\x1b[31m\u202e\udcff.png")):
        assert main(arguments) == 1
        assert r"cannot read a\n\x1b[31m\u202e\xff" in capsys.readouterr().err


def _noisy_png() -> bytes:
    """Returns a PNG file of one pixel whose text has a wrong checksum and whose profile is none: libpng warns."""

    def chunk(name: bytes, body: bytes, error: int = 0) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body) ^ error)

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 1))  # interlaced
    profile = chunk(b"iCCP", b"a\x00\x00" + zlib.compress(b"no profile"))
    rest = chunk(b"tEXt", b"a\x00b", 1) + chunk(b"IDAT", zlib.compress(b"\x00\x07")) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + header + profile + rest


NOISE = """
import ctypes, logging, os, sys, warnings
from pathlib import Path
import inrc.cli.app as app
import inrc.cli.encode as encode

def noisy(*_):
    from inrc.signal.image import read_image
    assert read_image(Path("noisy.png")).pixels.item() == 7
    ctypes.CDLL(None).perror(b"a library")
    os.write(2, b"more of it\\n")
    warnings.warn("a warning\\nin lines")
    warnings.warn("a warning in lines")
    logging.getLogger("library").warning("a record")
    logging.getLogger("library").info("a detail")

encode.encode_command = noisy
sys.exit(app.main(["encode", "noisy.png", *sys.argv[1:]]))
"""


@pytest.mark.parametrize("quiet", [False, True])
def test_what_libraries_print_becomes_lines_of_inrc_or_nothing(inrc_command, tmp_path, quiet):
    (tmp_path / "noisy.png").write_bytes(_noisy_png())
    environment = {k: v for k, v in inrc_command.environment.items() if k != "TF_CPP_MIN_LOG_LEVEL"}

    def run(**variables: str):
        command = [sys.executable, "-c", NOISE, *["--quiet"][:quiet]]
        environment_ = {**environment, **variables}
        return subprocess.run(command, cwd=tmp_path, env=environment_, capture_output=True, text=True, check=False)

    done = run()
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert done.stderr == "" if quiet else "inrc: warning: a warning in lines\ninrc: warning: a record\n"
    assert "more of it" in run(TF_CPP_MIN_LOG_LEVEL="0").stderr  # the user asks for it


def test_a_program_that_calls_keeps_its_streams(capfd):
    before = sys.stdout, sys.stderr, logging.getLogger().handlers[:], warnings.showwarning, os.fstat(2).st_ino
    with standard_streams():
        os.write(2, b"of the program\n")
    assert (sys.stdout, sys.stderr, logging.getLogger().handlers[:], warnings.showwarning, os.fstat(2).st_ino) == before
    assert capfd.readouterr().err == "of the program\n"


def test_a_crash_says_where(inrc_command):
    replaced = "import inrc.cli.info as info, os; info.info_command = lambda _: os.abort()"
    code = f"import inrc.cli.app as app; {replaced}; app.main(['info', 'a'])"
    done = inrc_command.python(code)
    assert done.returncode < 0
    assert "Fatal Python error: Aborted" in done.stderr
