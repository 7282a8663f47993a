"""`inrc report`: makes one HTML page of records and pictures."""

import dataclasses
import os
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, UseAppendAction

from inrc.cli.argument_checks import Between, InputFile, OutputFile, Place
from inrc.cli.arguments import value
from inrc.cli.outputs import names_other_format, unwritable, write_file
from inrc.cli.streams import answer, say
from inrc.evaluate.records import DEFAULT_ANCHOR

_SUFFIXES = (".html", ".htm", ".xhtml")


@dataclasses.dataclass(frozen=True)
class Report:
    """Make a page of records that opens in any browser, without a network.

    Attributes:
      results: Files of records, as `inrc evaluate` writes them.
      output: The page to write.
      pictures: A folder of originals to compare by eye. The option may be given several times; the folder that
        INRC_KODAK names is searched last.
      files: The folder of the files that `inrc evaluate` has kept.
      published: A folder of published curves to draw beside the measured ones.
      anchor: The codec that BD-rates refer to.
      codec: The codec of ours whose pictures are shown; the first one in the records if not given.
      show: The number of pictures to embed.
      rates: The number of rates of each picture to embed.
      max_mb: The most megabytes that the pictures may take in the page.
    """

    results: Annotated[Positional[tuple[Path, ...]], value("RESULTS.jsonl"), InputFile()]
    output: Annotated[Path, value("FILE.html", "-o", hint=None), OutputFile()] = Path("out/report.html")
    pictures: Annotated[UseAppendAction[tuple[Path, ...]], value("FOLDER"), Place()] = ()
    files: Annotated[Path, value("FOLDER", hint=None), Place()] = Path("out/files")
    published: Annotated[Path | None, value("FOLDER"), Place()] = None
    anchor: Annotated[str, value("CODEC", hint=None)] = DEFAULT_ANCHOR
    codec: Annotated[str, value("CODEC")] = ""
    show: Annotated[int, value("N", hint=None), Between(0, 1000)] = 3
    rates: Annotated[int, value("N", hint=None), Between(0, 1000)] = 3
    max_mb: Annotated[float, value("MB", hint=None), Between(0, 10**6)] = 12.0


def report_command(arguments: Report) -> None:
    """Writes the page. Lines on stderr say what it lacks and why.

    Raises:
      InrcError: The records or the published curves cannot be read, or the page cannot be written.
    """
    if names_other_format(arguments.output, _SUFFIXES):
        raise unwritable(arguments.output, f"it is named as a {arguments.output.suffix} file; name it .html")
    from inrc.cli.jax_setup import jax_set_up
    from inrc.evaluate.comparison import compare
    from inrc.evaluate.published import load_published
    from inrc.evaluate.records import load_all
    from inrc.evaluate.report import page

    records = load_all(arguments.results)
    published = load_published(arguments.published) if arguments.published is not None else ()
    kodak = os.environ.get("INRC_KODAK")
    with jax_set_up():
        comparisons = compare(
            records,
            originals=[*arguments.pictures, *([Path(kodak)] if kodak else [])],
            files=arguments.files,
            codec=arguments.codec,
            pictures=arguments.show,
            rates=arguments.rates,
            max_image_bytes=round(arguments.max_mb * 1e6),
            progress=_print_note,
        )
    html = page(records, comparisons=comparisons, published=published, anchor=arguments.anchor).encode()
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    write_file(arguments.output, html)
    for note in comparisons.notes:
        _print_note(note)
    answer(f"{arguments.output}  {len(html) / 1e6:.1f} MB")


def _print_note(line: str) -> None:
    say(line)
