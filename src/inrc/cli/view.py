"""`inrc view`: shows an `.inr` file in the browser, by itself or beside another file or a picture."""

import dataclasses
import os
import tempfile
import webbrowser
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional

from inrc.cli.argument_checks import InputFile, OutputFile
from inrc.cli.arguments import FLAG, Maybe, as_json, value
from inrc.cli.inputs import is_stream, read_file
from inrc.cli.outputs import check_json, is_plain_file, output_path, unwritable, write_file
from inrc.cli.streams import answer, flush_stdout, say
from inrc.errors import ConfigError, NotInrFileError
from inrc.names import shown

_SUFFIXES = (".html", ".htm", ".xhtml")
_MAX_BYTES = 1 << 27
"""Most bytes of all files of a page: browsers fail to open pages of several hundred megabytes."""


@dataclasses.dataclass(frozen=True)
class View:
    """Show an .inr file in the browser: zoom into the network's picture, compare it, look at its latents.

    The page holds the file and a decoder. It needs no network and no inrc, and can be sent to others.

    Attributes:
      input: The .inr file, or - for stdin.
      other: A second .inr file, or a picture (PNG, JPEG, WebP, AVIF, GIF or BMP), to compare it with.
      output: The page to write, or - for stdout. By default it is a temporary file, which stays.
      init: The shared init that the files need: the path of its .npz file, or digits of its id. By default it is looked
        for in the folders of INRC_INIT_PATH and in the package.
      no_open: Write the page, and do not open it in the browser.
      force: Write a page whose suffix names another format, or write it to a terminal.
      json: Print one JSON object on stdout.
      quiet: Show no summary on stderr.
    """

    input: Annotated[Positional[Path], value("IN.inr"), InputFile(or_stdin=True, remedy="name an .inr file")]
    other: Annotated[Positional[Maybe[Path]], value("[OTHER]"), InputFile(remedy="name an .inr file or a picture")] = (
        None
    )
    output: Annotated[Maybe[Path], value("PAGE.html", "-o"), OutputFile(or_stdout=True)] = None
    init: Annotated[Maybe[str], value("ID|PATH")] = None
    no_open: Annotated[bool, FLAG] = False
    force: Annotated[bool, FLAG] = False
    json: Annotated[bool, FLAG] = False
    quiet: Annotated[bool, FLAG] = False


def view_command(arguments: View) -> None:
    """Writes the page and opens it.

    Raises:
      InrcError: A file cannot be read or shown, or the page cannot be written.
    """
    inputs = [arguments.input, *([arguments.other] if arguments.other else [])]
    output = _checked_output(arguments)
    files = [(_name(path), read_file(path)) for path in inputs]
    html = _page(files, arguments.init)
    if output is None:
        output = _write_temporary(files[0][0], html)
    else:
        write_file(output, html)
    opens = not arguments.no_open and is_plain_file(output)
    if not arguments.quiet:
        say(f"{output}: {' and '.join(name for name, _ in files)}, {len(html) / 1e6:.1f} MB")
    if arguments.json:
        answer(as_json({"input": arguments.input, "other": arguments.other, "output": output, "n_bytes": len(html)}))
        flush_stdout()
    if opens and not webbrowser.open(output.resolve().as_uri()):
        say(f"inrc: warning: no browser could be started; open {shown(output)} in one")


def _checked_output(arguments: View) -> Path | None:
    """The output that the user names, checked before any work is done; None for a temporary file."""
    if arguments.output is None:
        return None
    output = output_path(arguments.input, arguments.output, ".html", force=arguments.force, suffixes=_SUFFIXES)
    if arguments.other is not None and output.exists() and is_plain_file(output) and output.samefile(arguments.other):
        raise ConfigError(f"{shown(output)} is an input itself; name another output with -o")
    check_json(output, json=arguments.json)
    return output


def _page(files: list[tuple[str, bytes]], init: str | None) -> bytes:
    from inrc import shared_init
    from inrc.viewer.files import embedded_inr, embedded_picture, is_inr
    from inrc.viewer.page import Embedded, page

    n_bytes = sum(len(data) for _, data in files)
    if n_bytes > _MAX_BYTES:
        raise ConfigError(f"the files have {n_bytes:,} bytes; a page holds {_MAX_BYTES:,}: choose smaller ones")
    if not is_inr(files[0][1]):
        raise NotInrFileError(f"{shown(files[0][0])} is not an .inr file; name the .inr file first")
    find_init = shared_init.find if init is None else shared_init.lookup_of(shared_init.by_name(init))
    embedded: list[Embedded] = []
    inits: dict[str, Embedded] = {}
    for name, data in files:
        if not is_inr(data):
            embedded.append(embedded_picture(name, data))
            continue
        file, needed = embedded_inr(name, data, find_init)
        embedded.append(file)
        inits |= {each.name: each for each in needed}
    return page(embedded, inits.values()).encode()


def _name(path: Path) -> str:
    """How the page calls a file; bytes of its name that are no text become marks."""
    name = "stdin" if is_stream(path) else path.name
    return os.fsencode(name).decode(errors="replace")


def _write_temporary(name: str, html: bytes) -> Path:
    stem = "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in Path(name).stem)[:60]
    try:
        descriptor, path = tempfile.mkstemp(prefix=f"inrc-{stem}-", suffix=".html")
        with os.fdopen(descriptor, "wb") as file:
            file.write(html)
    except OSError as error:
        raise unwritable(Path(tempfile.gettempdir()), error.strerror or str(error)) from error
    return Path(path)
