"""`inrc plot`: prints tables of records and draws their figures."""

import dataclasses
import functools
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

from tyro.conf import Positional

from inrc.cli.argument_checks import InputFile, Place
from inrc.cli.arguments import FLAG, value
from inrc.cli.outputs import unwritable
from inrc.cli.streams import answer, say
from inrc.errors import RecordError
from inrc.evaluate.records import DEFAULT_ANCHOR
from inrc.names import one_line

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from inrc.evaluate.published import PublishedCurve
    from inrc.evaluate.records import Record
    from inrc.evaluate.tables import Table

_Made = TypeVar("_Made")

_PIPE_WIDTH = 160
"""Width of tables that are not printed on a terminal, in characters."""


@dataclasses.dataclass(frozen=True)
class Plot:
    """Print tables of records and draw their figures, as PDF, SVG and PNG.

    Attributes:
      results: Files of records, as `inrc evaluate` writes them.
      output: The folder for the figures. It is made if it does not exist.
      anchor: The codec that BD-rates refer to.
      published: A folder of published curves to compare with.
      draw: The published curves to draw, by the names of their files; a selection if not given.
      codecs: The codecs to show beside the anchor; all codecs if not given.
      markdown: Print the tables as Markdown.
    """

    results: Annotated[Positional[tuple[Path, ...]], value("RESULTS.jsonl"), InputFile()]
    output: Annotated[Path, value("FOLDER", "-o", hint=None), Place()] = Path("out/figures")
    anchor: Annotated[str, value("CODEC", hint=None)] = DEFAULT_ANCHOR
    published: Annotated[Path | None, value("FOLDER"), Place()] = None
    draw: Annotated[tuple[str, ...], value("NAME")] = ()
    codecs: Annotated[tuple[str, ...], value("CODEC")] = ()
    markdown: Annotated[bool, FLAG] = False


def plot_command(arguments: Plot) -> None:
    """Prints the tables and writes the figures. A line on stderr names each one that the records do not allow, and why.

    Raises:
      InrcError: The records or the published curves cannot be read, the figures cannot be written, or matplotlib is
        missing.
    """
    from inrc.evaluate import drawing
    from inrc.evaluate.published import choose, load_published

    records = _load(arguments)
    published = load_published(arguments.published) if arguments.published is not None else ()
    drawn = choose(published, arguments.draw)
    for name, make in _tables(records, arguments.anchor, published).items():
        table = _made(name, make)
        if table is not None:
            _print(table, markdown=arguments.markdown)
    for stem, make in _figures(records, arguments.anchor, drawn).items():
        figure = _made(stem, make)
        if figure is not None:
            try:
                paths = drawing.save(figure, arguments.output, stem)
            except OSError as error:
                raise unwritable(arguments.output / stem, error.strerror or str(error)) from error
            for path in paths:
                answer(str(path))


def _load(arguments: Plot) -> "list[Record]":
    """Returns the records to show.

    Raises:
      RecordError: There is no record, or no record of a codec that the user named.
    """
    from inrc.evaluate import curves
    from inrc.evaluate.records import load_all

    records = load_all(arguments.results)
    measured_codecs = curves.codecs(curves.measured(records))
    unknown = [codec for codec in arguments.codecs if codec not in measured_codecs]
    if not measured_codecs:
        raise RecordError("there is no record of a measurement; run an experiment first")
    if unknown:
        raise RecordError(f"there is no record of {unknown[0]}; there are records of {', '.join(measured_codecs)}")
    chosen = {*arguments.codecs, arguments.anchor} if arguments.codecs else set(measured_codecs)
    return [record for record in records if record.codec in chosen]


def _tables(
    records: "Sequence[Record]", anchor: str, published: "Sequence[PublishedCurve]"
) -> "dict[str, Callable[[], Table]]":
    """Returns a function that makes each table, by the name of the table."""
    from inrc.evaluate import tables

    ours = [record for record in records if record.is_ours]
    made: dict[str, Callable[[], Table]] = {
        "table of means": functools.partial(tables.rate_distortion_table, records),
        "table of BD-rates": functools.partial(tables.bd_rate_table, records, anchor, published),
    }
    if len({record.codec for record in ours}) > 1:
        made["table of variants"] = functools.partial(tables.ablation_table, ours)
    return made


def _figures(
    records: "Sequence[Record]", anchor: str, published: "Sequence[PublishedCurve]"
) -> "dict[str, Callable[[], Figure]]":
    """Returns a function that draws each figure, by the stem of the names of its files."""
    from inrc.evaluate import ablation_figures, curves, figures

    ours = [record for record in records if record.is_ours]
    traced = {record.codec for record in ours if record.trace}
    rates: dict[str, curves.Metric] = {"rate-psnr": "psnr_db", "rate-ssim": "ssim", "rate-ms-ssim": "ms_ssim_db"}
    drawn: dict[str, Callable[[], Figure]] = {
        stem: functools.partial(figures.rate_distortion, records, metric, published=published)
        for stem, metric in rates.items()
    }
    drawn["seconds"] = functools.partial(figures.quality_by_seconds, records)
    for name in curves.codecs(ours):
        stem = re.sub(r"[^\w.]+", "-", name).strip("-")
        if name in traced:
            drawn[f"anytime-{stem}"] = functools.partial(figures.anytime, records, name)
        if name != anchor and anchor in curves.codecs(curves.measured(records)):
            drawn[f"bd-rate-{stem}"] = functools.partial(figures.bd_rate_bars, records, anchor, name)
    if len(curves.codecs(ours)) > 1:
        drawn["variants"] = functools.partial(ablation_figures.variants, ours)
        drawn["variants-psnr"] = functools.partial(ablation_figures.variant_bars, ours)
        drawn["variants-ms-ssim"] = functools.partial(ablation_figures.variant_bars, ours, "ms_ssim_db")
    return drawn


def _made(name: str, make: Callable[[], _Made]) -> _Made | None:
    """Returns what `make` makes; None where the records do not allow it, with the reason on stderr."""
    try:
        return make()
    except RecordError as error:
        say(f"no {name}: {one_line(error)}")
        return None


def _print(table: "Table", *, markdown: bool) -> None:
    from rich.console import Console

    from inrc.evaluate.tables import to_markdown, to_rich

    if markdown:
        print(to_markdown(table))
    else:
        console = Console(highlight=False, width=None if sys.stdout.isatty() else _PIPE_WIDTH)
        console.print(to_rich(table))
