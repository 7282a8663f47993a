"""`inrc codecs`: the presets, their networks at some qualities, and what the efforts mean."""

import dataclasses
import json
from typing import Annotated, Any

from inrc import presets
from inrc.cli.arguments import FLAG
from inrc.cli.info import describe

_SHAPE = (512, 768)
_QUALITIES = (10, 30, 50, 70, 90)


@dataclasses.dataclass(frozen=True)
class Codecs:
    """List the codecs, their networks for a 768 x 512 picture, and what the efforts mean.

    Attributes:
      json: Print one JSON object on stdout.
    """

    json: Annotated[bool, FLAG] = False


def run(arguments: Codecs) -> None:
    """Prints tables, or JSON."""
    networks = {name: [_network(codec, quality) for quality in _QUALITIES] for name, codec in presets.CODECS.items()}
    efforts = {e: presets.passes_of_effort(e) for e in range(presets.MIN_EFFORT, presets.MAX_EFFORT + 1)}
    if arguments.json:
        codecs = {
            name: {"summary": codec.summary, "networks": networks[name]} for name, codec in presets.CODECS.items()
        }
        print(json.dumps({"codecs": codecs, "passes": efforts}))
        return
    _print_tables(networks, efforts)


def _network(codec: presets.Codec, quality: float) -> dict[str, Any]:
    from inrc.layout import feature_counts, layout

    height, width = _SHAPE
    bpp = presets.bpp_of_quality(quality)
    model = presets.model_for(
        codec,
        n_weights=presets.n_weights_for(bpp, height * width),
        n_inputs=sum(feature_counts(codec.encoding, _SHAPE)),
        n_outputs=3,
    )
    n_weights = sum(rows * columns for _, (rows, columns) in layout(model, _SHAPE, 3))
    return {"quality": quality, "bpp": bpp, "network": describe(model), "widths": model.widths, "n_weights": n_weights}


def _print_tables(networks: dict[str, list[dict[str, Any]]], efforts: dict[int, float]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    def new_table() -> Table:
        return Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)

    console = Console(highlight=False)
    for name, codec in presets.CODECS.items():
        console.print(f"[bold]{name:<12}[/bold] {codec.summary}", soft_wrap=True)

    height, width = _SHAPE
    console.print(f"\nHidden widths at a quality, for a {width} x {height} RGB picture")
    table = new_table()
    for column in ("-q", "bpp", "weights"):
        table.add_column(column, justify="right")
    for name in networks:
        table.add_column(name)
    for i, quality in enumerate(_QUALITIES):
        row = [network[i] for network in networks.values()]
        widths = [network["network"].partition(" ")[2] for network in row]
        table.add_row(f"{quality:g}", f"{row[0]['bpp']:.3f}", f"{row[0]['n_weights']:,}", *widths)
    console.print(table)

    console.print("Passes over the picture at an effort; time grows with them")
    table = new_table()
    table.add_column("-e", justify="right")
    for effort in efforts:
        table.add_column(f"{effort}{'*' if effort == presets.DEFAULT_EFFORT else ''}", justify="right")
    table.add_row("passes", *(f"{passes:g}" for passes in efforts.values()))
    console.print(table)
    console.print("* the default")
