"""What arguments are refused, in one line and before any work. Most of it runs in this process and imports no JAX."""

import dataclasses
import math
import typing

import pytest

from inrc.cli.app import _COMMANDS, _arguments_type, main
from inrc.cli.argument_checks import ArgumentCheck, Between, InputFile, OutputFile, Place, check_strings
from inrc.errors import ConfigError, DatasetError, InrcError


@pytest.fixture
def refused(capsys, tmp_path, monkeypatch):
    """Runs a command in an empty folder, and returns the one line that refuses it."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> str:
        code = main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        assert (code, out) == (1, ""), err
        assert err.startswith("inrc: error: ")
        assert err.count("\n") == 1
        assert not list(tmp_path.iterdir())
        return err

    return run


COMMANDS = {  # a command with an empty argument in every place
    "encode": [
        ("encode", ""),
        ("encode", "a.png", "-o", ""),
        ("encode", "a.png", "--output="),
        ("encode", "a", "-q", ""),
    ],
    "decode": [("decode", ""), ("decode", "a.inr", "-o", ""), ("decode", "a.inr", "--init", "")],
    "batch": [("batch", "", "out"), ("batch", "in", ""), ("batch", "in", "out", "--address=")],
    "info": [("info", "")],
    "evaluate": [("evaluate", ""), ("evaluate", "a.py", "--pictures", ""), ("evaluate", "a.py", "--files=")],
    "plot": [("plot", ""), ("plot", "a.jsonl", "-o", ""), ("plot", "a.jsonl", "--published", "")],
    "report": [("report", ""), ("report", "a.jsonl", "-o", ""), ("report", "a.jsonl", "--pictures", "")],
    "meta": [("meta", "train", ""), ("meta", "export", ""), ("meta", "compare", ""), ("meta", "train", "a", "-o", "")],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_empty_arguments(refused, command):
    for arguments in COMMANDS[command]:
        assert "is empty; give it a value" in refused(*arguments)


def test_what_is_no_empty_argument():
    check_strings(["encode", "a=b=", "-q", "3", "--init=a=", "-", "--"])
    with pytest.raises(ConfigError, match="the first argument is empty"):
        check_strings([""])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("encode", "."), "it is a folder; name a picture, or use inrc batch"),
        (("encode", "/"), "it is a folder; name a picture"),
        (("encode", "//"), "it is a folder"),
        (("encode", "a.png", "-o", ".."), "cannot write ..: it is a folder"),
        (("decode", "/", "-o", "out"), "the input is /, the root of all files"),
        (("decode", "a.inr", "-o", "/"), "the output is /, the root of all files"),
        (("batch", "/", "out"), "the root of all files"),
        (("batch", "file:///", "out"), "the root of all files"),
        (("batch", "in", "/../"), "the root of all files"),
        (("batch", "-", "out"), "the input is -, which has no meaning there"),
        (("batch", "in", "-"), "the output is -, which has no meaning there"),
        (("info", "."), "it is a folder; name an .inr file"),
        (("evaluate", "."), "it is a folder"),
        (("evaluate", "-"), "the experiment cannot be read from stdin"),
        (("plot", "."), "it is a folder"),
        (("plot", "a.jsonl", "-o", "/"), "the root of all files"),
        (("plot", "a.jsonl", "-o", "-"), "the output is -"),
        (("report", "-"), "the results cannot be read from stdin"),
        (("report", "a.jsonl", "-o", "-"), "cannot be written to stdout"),
        (("report", "a.jsonl", "-o", "."), "it is a folder"),
        (("report", "a.jsonl", "-o", "b.jsonl"), "named as a .jsonl file; name it .html"),
        (("meta", "train", "/"), "it is a folder"),
        (("meta", "train", "a.py", "-o", "-"), "the output is -"),
        (("meta", "compare", "/"), "the root of all files"),
    ],
)
def test_paths_that_cannot_be_meant(refused, arguments, message):
    assert message in refused(*arguments)


NUMBERS = {
    ("encode", "a.png"): (
        "--quality",
        "--effort",
        "--target-psnr",
        "--target-bpp",
        "--max-bytes",
        "--time-budget",
        "--seed",
    ),
    ("batch", "in", "out"): ("--memory", "--batch-size", "--shards", "--readers", "--workers", "--cores"),
    ("decode", "a.inr"): ("--scale", "--quality"),
    ("report", "a.jsonl"): ("--show", "--rates", "--max-mb"),
    ("meta", "train", "a.py"): ("--num-processes", "--process-id", "--timeout"),
    ("meta", "compare", "a"): ("--pictures",),
}
FLOATS = ("--quality", "--target-psnr", "--target-bpp", "--time-budget", "--memory", "--scale", "--max-mb", "--timeout")


@pytest.mark.parametrize("command", NUMBERS, ids=" ".join)
def test_every_number_is_checked(refused, command):
    for option in NUMBERS[command]:
        values = ["-1", "9" * 400]
        if option in FLOATS and command != ("decode", "a.inr"):
            values = ["-1", "nan", "inf"]
        for value in values:
            assert "; it must be a " in refused(*command, option, value)


def test_numbers_of_decode(refused):
    for arguments in (("--scale", "nan"), ("--scale", "1e308"), ("--size", "0x5"), ("--size", f"5x{'9' * 4000}")):
        assert "; it must be a number" in refused("decode", "a.inr", *arguments)
    assert "; it must be a number" in refused("decode", "a.inr", "--region", f"0,0,5,{'9' * 400}")


def _arguments_of(command: type) -> typing.Iterator[tuple[str, typing.Any]]:
    for field in dataclasses.fields(command):
        kind = getattr(field.type, "__origin__", field.type)
        for part in (kind, *typing.get_args(kind)):
            part = getattr(part, "__origin__", part)
            if dataclasses.is_dataclass(part):
                yield from _arguments_of(part)  # pyright: ignore[reportArgumentType]
                break
        else:
            yield f"{command.__name__}.{field.name}", field.type


def test_every_number_and_path_of_every_command_has_a_check():
    arguments = {}
    for name in _COMMANDS:
        arguments |= dict(_arguments_of(_arguments_type(name)))
    assert len(arguments) > 60
    without = set()
    for name, kind in arguments.items():
        text = str(getattr(kind, "__origin__", kind))
        checks = [part for part in getattr(kind, "__metadata__", ()) if isinstance(part, ArgumentCheck)]
        if ("Path" in text or "int" in text or "float" in text) and not checks:
            without.add(name)
    # `EncodeOptions` checks these itself, before the picture is read; its tests are in test_checks.py.
    numbers = ("quality", "effort", "target_psnr", "target_bpp", "max_bytes", "time_budget", "seed")
    assert without == {f"EncodingArguments.{name}" for name in numbers}


@pytest.mark.parametrize("check", [InputFile(), OutputFile(), Place()], ids=lambda check: type(check).__name__)
def test_names_in_refusals_are_safe(check, tmp_path):
    folder = tmp_path / "a\n\x1b[31m"
    folder.mkdir()
    with pytest.raises(InrcError) as refusal:
        check("the input", folder if not isinstance(check, Place) else "-")
    assert "\x1b" not in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_places_that_are_allowed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for place in (".", "..", "s3://bucket/a", "memory://a", "photos/*.png", str(tmp_path), f"file://{tmp_path}", "./-"):
        Place()("the input", place)
    Place(or_stream=True)("the input", "-")
    (tmp_path / "link").symlink_to("/")
    with pytest.raises(DatasetError, match="root"):
        Place()("the input", "link")
    Between(0, 1)("n", 1)
    with pytest.raises(ConfigError):
        Between(0, 1, above=True)("n", 0)
    with pytest.raises(ConfigError):
        Between(0)("n", math.inf)
