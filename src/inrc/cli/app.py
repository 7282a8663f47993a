"""The `inrc` command: it parses arguments, runs a command, and turns a failure into one line and an exit code.

The exit code is 0 when the command is done, 1 after a typed error, 2 after wrong usage and 130 after an interruption.
"""

import functools
import importlib
import operator
import os
import sys
import types
from collections.abc import Sequence
from typing import Annotated, Any

import tyro
from tyro.conf import FlagCreatePairsOff, OmitArgPrefixes, subcommand

from inrc.cli.argument_checks import check_strings, check_values
from inrc.cli.jax_setup import silence_compiler_log
from inrc.cli.streams import Warner, answer, flush_stdout, say, standard_streams
from inrc.errors import InrcError
from inrc.names import one_line

_DESCRIPTION = """\
Pictures stored as the weights of a small network that is fitted to them.
  inrc encode photo.png                      writes photo.inr
  inrc encode photo.png -q 70 -e 7           takes more bytes and more time for a better picture
  inrc decode photo.inr -o 2x.png --scale 2  decodes at twice the size
  inrc batch photos files                    encodes every picture below a folder; run again, it resumes
  inrc info photo.inr                        shows what a file holds
  inrc view photo.inr                        shows the picture in the browser, to zoom in and to compare

Each command has its own --help. `inrc --version` prints the version."""

_COMMANDS = ("encode", "batch", "decode", "info", "view", "codecs", "evaluate", "plot", "report", "meta", "desktop")
"""The command NAME has the module `inrc.cli.NAME`, arguments of its class `Name`, and runs by its `NAME_command`."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line `arguments` (those of the process if None) and returns the exit code.

    Raises:
      SystemExit: The usage was wrong (code 2) or help was requested (code 0); tyro has printed the message.
    """
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    with standard_streams() as warner:
        code = _exit_code(arguments, warner)
        error = flush_stdout()
        if error is not None and code == 0:
            # A broken pipe is that of a reader who has read enough, as in `inrc info FILE | head`.
            return 1 if isinstance(error, BrokenPipeError) else _fail(f"cannot write to stdout: {error.strerror}")
        return code


def _exit_code(arguments: list[str], warner: Warner) -> int:
    try:
        if arguments in (["--version"], ["-V"]):
            from importlib.metadata import version

            answer(f"inrc {version('inrc')}")
        else:
            _run(arguments, warner)
    except InrcError as error:
        return _fail(str(error))
    except BrokenPipeError:
        return 1
    except OSError as error:
        return _fail(f"{error.filename}: {error.strerror}" if error.filename else str(error))
    except KeyboardInterrupt as interrupt:
        say(f"inrc: {interrupt}" if str(interrupt) else "inrc: interrupted")
        os._exit(130)  # the encoder may still run in its thread, in compiled code that no exception reaches
    return 0


def _run(arguments: list[str], warner: Warner) -> None:
    silence_compiler_log()  # here, since some commands import JAX before they set it up
    check_strings(arguments)
    command = _parsed(arguments)
    check_values(command)
    warner.quiet = getattr(command, "quiet", False)
    name = type(command).__name__.lower()
    getattr(_module(name), f"{name}_command")(command)


def _parsed(arguments: list[str]) -> Any:
    """Returns the arguments of a command. Where the first one names it, no other command is imported."""
    config = (OmitArgPrefixes, FlagCreatePairsOff)
    if arguments and (name := arguments[0]) in _COMMANDS:
        return tyro.cli(_arguments_type(name), prog=f"inrc {name}", args=arguments[1:], config=config)
    # tyro takes a union of annotated types, for which Python's type system has no name yet.
    choices: list[Any] = [Annotated[_arguments_type(name), subcommand(name)] for name in _COMMANDS]
    union = functools.reduce(operator.or_, choices)
    return tyro.cli(union, prog="inrc", description=_DESCRIPTION, args=arguments, config=config)


def _arguments_type(name: str) -> type:
    return getattr(_module(name), name.capitalize())


def _module(name: str) -> types.ModuleType:
    return importlib.import_module(f"inrc.cli.{name}")


def _fail(message: str) -> int:
    say(f"inrc: error: {one_line(message)}")
    return 1
