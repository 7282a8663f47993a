"""`inrc codecs`: the presets, their networks, and what the efforts mean."""

import dataclasses
import itertools
import json
import textwrap
from typing import Annotated, Any

from tyro.conf import Positional

from inrc import presets
from inrc.cli.arguments import FLAG, one_of
from inrc.cli.streams import answer
from inrc.config import LatentGridConfig, NetworkConfig
from inrc.presets import CODECS

_SHAPE = (512, 768)
_COLUMNS = 100
_QUALITIES = (20, 50, 80)


@dataclasses.dataclass(frozen=True)
class Codecs:
    """List the codecs, their networks for a 768 x 512 picture, and what the efforts mean; or describe one.

    Attributes:
      name: Tell of this codec what it follows, what is the same, and what differs.
      json: Print one JSON object on stdout.
    """

    name: Annotated[str | None, Positional, one_of(CODECS)] = None
    json: Annotated[bool, FLAG] = False


def codecs_command(arguments: Codecs) -> None:
    """Prints tables, what one codec is, or JSON."""
    if arguments.name is not None:
        codec = presets.codec_by_name(arguments.name)
        if arguments.json:
            fields = ("name", "summary", "year", "about")
            answer(json.dumps({field: getattr(codec, field) for field in fields}))
            return
        about = codec.about or "A codec of this project's own; experiments/NOTES.md tells of its choices."
        for line in (f"{codec.name}: {codec.summary}", "", *textwrap.wrap(about, _COLUMNS, break_on_hyphens=False)):
            answer(line)
        return
    latent = {name: _latent_networks(codec) for name, codec in presets.LATENT_CODECS.items()}
    networks = {
        name: [_network(codec, quality) for quality in _QUALITIES] for name, codec in presets.COORDINATE_CODECS.items()
    }
    efforts = range(presets.MIN_EFFORT, presets.MAX_EFFORT + 1)
    steps = {effort: presets.steps_of_effort(effort) for effort in efforts}
    passes = {effort: presets.passes_of_effort(effort) for effort in efforts}
    if arguments.json:
        codecs = {
            name: {
                "summary": codec.summary,
                "year": codec.year,
                **(latent[name] if name in latent else {"networks": networks[name]}),
            }
            for name, codec in presets.CODECS.items()
        }
        answer(json.dumps({"codecs": codecs, "steps": steps, "passes": passes}))
        return
    _print_tables(latent, networks, steps, passes)


def _latent_networks(codec: presets.LatentCodec) -> dict[str, Any]:
    """The network of a codec, and under "large" that of its long fits where they have another."""
    own = _latent_network(codec.model)
    if codec.large is not None:
        own["large"] = {"least_effort": _least_long_effort(), **_latent_network(codec.large)}
    return own


def _latent_network(model: LatentGridConfig) -> dict[str, Any]:
    from inrc.latent_layout import latent_layout, macs_per_pixel

    n_weights = sum(rows * columns for _, (rows, columns) in latent_layout(model, 3))
    return {
        "network": _words(model),
        "n_weights": n_weights,
        "macs_per_pixel": round(macs_per_pixel(model, 3), 1),
    }


def _least_long_effort() -> int:
    """The least effort whose fits are long, for pictures up to 768x512."""
    efforts = range(presets.MIN_EFFORT, presets.MAX_EFFORT + 1)
    return next(effort for effort in efforts if presets.is_long(presets.steps_of_effort(effort)))


def _network(codec: presets.CoordinateCodec, quality: float) -> dict[str, Any]:
    from inrc.layout import layout

    height, width = _SHAPE
    bpp = presets.bpp_of_quality(quality)
    model = presets.model_for(
        codec,
        n_weights=presets.n_weights_for(bpp, height * width, codec.bits_per_weight),
        shape=_SHAPE,
        n_outputs=3,
    )
    n_weights = sum(rows * columns for _, (rows, columns) in layout(model, _SHAPE, 3))
    return {
        "quality": quality,
        "bpp": bpp,
        "network": _words(model),
        "widths": model.widths,
        "n_weights": n_weights,
    }


def _words(model: NetworkConfig) -> str:
    from inrc.codec.formats import format_of

    description = format_of(model).describe(model)
    return f"{description.family} {description.sizes}"


def _print_tables(
    latent: dict[str, dict[str, Any]],
    networks: dict[str, list[dict[str, Any]]],
    steps: dict[int, int],
    passes: dict[int, float],
) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)

    def new_table(*columns: str) -> Table:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
        for column in columns:
            table.add_column(column, justify="right")
        return table

    for name, codec in presets.CODECS.items():
        console.print(f"[bold]{name:<12}[/bold] {codec.summary}", soft_wrap=True)

    console.print("\nNetworks of latent grids, for RGB pictures of all sizes and qualities")
    table = new_table("weights", "MAC/pixel")
    table.add_column("codec")
    table.add_column("network")
    for name, network in latent.items():
        rows = [(name, network)]
        if large := network.get("large"):
            rows.append((f"{name} -e {large['least_effort']}..{presets.MAX_EFFORT}", large))
        for title, row in rows:
            sizes = row["network"].partition(" ")[2]
            table.add_row(f"{row['n_weights']:,}", f"{row['macs_per_pixel']:,.0f}", title, sizes)
    console.print(table)

    height, width = _SHAPE
    console.print(f"Hidden widths of coordinate networks at a quality, for a {width} x {height} RGB picture")
    table = new_table()
    table.add_column("codec")
    for network in next(iter(networks.values())):
        table.add_column(f"-q {network['quality']:g}, {network['bpp']:.2f} bpp")
        table.add_column("weights", justify="right")
    for name, row in networks.items():
        cells = [(network["network"].partition(" ")[2], f"{network['n_weights']:,}") for network in row]
        table.add_row(name, *itertools.chain.from_iterable(cells))
    console.print(table)

    console.print(
        "Steps (latent grids) and passes over the picture (coordinate networks) at an effort; time grows with them.\n"
        "Effort 9 of a published system is its published schedule."
    )
    table = new_table("-e", *(f"{effort}{'*' if effort == presets.DEFAULT_EFFORT else ''}" for effort in passes))
    table.add_row("steps", *map(str, steps.values()))
    table.add_row("passes", *(f"{n:g}" for n in passes.values()))
    console.print(table)
    console.print("* the default")
