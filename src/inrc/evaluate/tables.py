"""Tables of records as values, which are printed as Markdown or on a terminal."""

import dataclasses
import math
import statistics
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING

from inrc.evaluate import curves
from inrc.evaluate.curves import BdRow
from inrc.evaluate.pictures import N_KODAK
from inrc.evaluate.published import PublishedCurve, on_kodak, published_bd_rate
from inrc.evaluate.records import Record
from inrc.names import shown

if TYPE_CHECKING:
    import rich.table

NONE = "–"
"""Text of a cell that has no value."""


@dataclasses.dataclass(frozen=True)
class Table:
    """Text in rows and columns.

    Attributes:
      title: title in one line.
      header: names of the columns, with units.
      rows: cells; every row has as many as there are columns.
      n_labels: number of columns from the left that hold names; the others hold numbers and are set flush right.
      note: note in one line; empty if there is none.
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    n_labels: int = 1
    note: str = ""

    def __post_init__(self) -> None:
        rows = tuple(tuple(map(shown, row)) for row in self.rows)  # names of pictures and codecs are text of users
        object.__setattr__(self, "rows", rows)


def rate_distortion_table(records: Sequence[Record]) -> Table:
    """Returns means of every codec at each of its points, over the pictures that all codecs have measured.

    Raises:
      RecordError: There are no such pictures.
    """
    pictures = curves.shared_pictures(records)
    header = (
        *("codec", "point", "bytes", "bpp", "PSNR, dB", "PSNR of mean MSE, dB", "SSIM", "MS-SSIM"),
        *("encode, s", "encode CPU, s", "compile, s", "decode, s", "pictures"),
    )
    labels = curves.labels(curves.measured(records))
    rows = tuple(
        (labels[codec], *_mean_cells(group))
        for codec, groups in _by_codec(records, pictures).items()
        for group in groups
    )
    note = "Encode and decode are wall-clock seconds without compilation; CPU seconds are those of all cores, with it."
    return Table(f"Means over {count_pictures(pictures)}", header, rows, note=note)


def bd_rate_table(records: Sequence[Record], anchor: str, published: Iterable[PublishedCurve] = ()) -> Table:
    """Returns BD-rates against one codec, by PSNR and by MS-SSIM in dB, of all other codecs and of published curves.

    Published curves are means over the 24 Kodak pictures. They are compared with the anchor's mean curve if the anchor
    was measured on all of these pictures, and left out otherwise.

    Raises:
      RecordError: The anchor has not been measured.
    """
    by_psnr = curves.bd_table(records, anchor, "psnr_db")
    by_ms_ssim = curves.bd_table(records, anchor, "ms_ssim_db")
    labels = curves.labels(curves.measured(records))
    rows = [
        (labels[psnr.codec], *_bd_cells(psnr), *_bd_cells(ms_ssim), str(psnr.n_pictures))
        for psnr, ms_ssim in zip(by_psnr, by_ms_ssim, strict=True)
    ]
    note = "Negative: fewer bytes than the anchor at equal quality. Numbers in brackets: pictures whose curves overlap."
    published = tuple(published)
    if published and on_kodak(records, anchor):
        rows += [_published_cells(records, anchor, curve) for curve in published]
    elif published:
        note += f" Published curves are left out: they need {labels[anchor]} on all {N_KODAK} Kodak pictures."
    header = (
        "codec",
        "PSNR, mean curves",
        "PSNR, mean of pictures",
        "MS-SSIM, mean curves",
        "MS-SSIM, mean of pictures",
        "pictures",
    )
    return Table(f"BD-rate against {labels[anchor]}, %", header, tuple(rows), note=note)


def ablation_table(records: Sequence[Record]) -> Table:
    """Returns means of variants at equal points, such as sizes, and their differences from the first variant.

    The variants are the codecs, in the order of their first records. The means are over the pictures that all of them
    have measured.

    Raises:
      RecordError: There are no such pictures.
    """
    pictures = curves.shared_pictures(records)
    groups = _by_codec(records, pictures)
    first = {group[0].point: group for group in next(iter(groups.values()))}
    pairs = [(group, first.get(group[0].point)) for variant in groups.values() for group in variant]
    pairs.sort(key=lambda pair: pair[0][0].point)  # stable: variants of one point stay in their order
    header = (
        *("variant", "point", "bpp", "PSNR, dB", "SSIM", "MS-SSIM"),
        *("Δ bpp, %", "Δ PSNR, dB", "Δ SSIM", "Δ MS-SSIM"),
    )
    rows = tuple(
        (group[0].codec, f"{group[0].point:g}", *_ablation_cells(group, reference)) for group, reference in pairs
    )
    note = f"Δ: difference from {next(iter(groups))} at the same point."
    return Table(f"Variants, means over {count_pictures(pictures)}", header, rows, note=note)


def to_markdown(table: Table) -> str:
    """Returns a table in GitHub's Markdown, with its title above and its note below."""
    lines = ["|" + "|".join(" " + cell.replace("|", "\\|") + " " for cell in row) + "|" for row in table.rows]
    rule = "|" + "|".join("---" if i < table.n_labels else "---:" for i in range(len(table.header))) + "|"
    parts = [f"**{table.title}**", "\n".join(["| " + " | ".join(table.header) + " |", rule, *lines]), table.note]
    return "\n\n".join(part for part in parts if part) + "\n"


def to_rich(table: Table) -> "rich.table.Table":
    """Returns a table for a terminal."""
    import rich.box
    import rich.table
    from rich.text import Text

    printed = rich.table.Table(
        title=Text(table.title),
        caption=Text(table.note),
        box=rich.box.SIMPLE_HEAD,
        pad_edge=False,
        title_justify="left",
        caption_justify="left",
    )
    for i, name in enumerate(table.header):
        printed.add_column(Text(name), justify="left" if i < table.n_labels else "right", no_wrap=i < table.n_labels)
    for row in table.rows:
        printed.add_row(*map(Text, row))
    return printed


def signed(value: float | None, n_digits: int = 1) -> str:
    """Returns a number with its sign; `NONE` where there is no number. Zero is positive."""
    return NONE if value is None or math.isnan(value) else f"{round(value, n_digits) + 0.0:+.{n_digits}f}"


def _by_codec(records: Iterable[Record], pictures: Sequence[str]) -> dict[str, list[list[Record]]]:
    """Returns the records of these pictures by codec, grouped by point, with rising mean rate."""
    groups: dict[str, dict[float, list[Record]]] = {}
    for record in curves.measured(records):
        if record.picture in pictures:
            groups.setdefault(record.codec, {}).setdefault(record.point, []).append(record)
    return {
        codec: sorted(points.values(), key=lambda group: statistics.fmean(record.bpp for record in group))
        for codec, points in groups.items()
    }


def _mean_cells(group: Sequence[Record]) -> tuple[str, ...]:
    def mean(name: str) -> float:
        return statistics.fmean(getattr(record, name) for record in group)

    return (
        f"{group[0].point:g}",
        f"{mean('n_bytes'):,.0f}",
        _number(mean("bpp"), 4),
        _number(mean("psnr_db"), 2),
        _number(curves.psnr_of_mean_mse(group), 2),
        _number(mean("ssim"), 4),
        _number(mean("ms_ssim"), 4),
        _seconds(mean("encode_seconds")),
        _seconds(mean("encode_cpu_seconds")),
        _seconds(mean("encode_compile_seconds")),
        _seconds(mean("decode_seconds")),
        str(len(group)),
    )


def _bd_cells(row: BdRow) -> tuple[str, str]:
    n_known = len(row.by_picture)
    of_pictures = signed(row.mean_of_pictures)
    return signed(row.of_means), of_pictures + (f" ({n_known})" if 0 < n_known < row.n_pictures else "")


def _published_cells(records: Sequence[Record], anchor: str, curve: PublishedCurve) -> tuple[str, ...]:
    psnr, ms_ssim = (signed(published_bd_rate(records, anchor, curve, metric)) for metric in ("psnr_db", "ms_ssim_db"))
    return f"{curve.name} (published)", psnr, NONE, ms_ssim, NONE, str(N_KODAK)


def _ablation_cells(group: Sequence[Record], reference: Sequence[Record] | None) -> tuple[str, ...]:
    digits = {"bpp": 4, "psnr_db": 2, "ssim": 4, "ms_ssim": 4}
    means = {name: statistics.fmean(getattr(record, name) for record in group) for name in digits}
    cells = [_number(means[name], n_digits) for name, n_digits in digits.items()]
    if reference is None:
        return (*cells, *(NONE for _ in digits))
    for name, n_digits in digits.items():
        first = statistics.fmean(getattr(record, name) for record in reference)
        is_rate = name == "bpp"
        difference = 100 * (means[name] / first - 1) if is_rate else means[name] - first
        cells.append(signed(difference, 1 if is_rate else n_digits))
    return tuple(cells)


def count_pictures(pictures: Collection[str]) -> str:
    """Returns the number of pictures in words, such as "3 pictures"."""
    return f"{len(pictures)} picture{'' if len(pictures) == 1 else 's'}"


def _number(value: float, n_digits: int) -> str:
    return NONE if math.isnan(value) else f"{value:.{n_digits}f}"


def _seconds(value: float) -> str:
    """Returns seconds with three significant digits."""
    if math.isnan(value):
        return NONE
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
