"""`inrc meta compare`: fits pictures from several starts, and shows how good they are after few and many steps."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional

from inrc.cli.argument_checks import Between, Place
from inrc.cli.arguments import FLAG, value
from inrc.cli.outputs import unwritable, write_file
from inrc.cli.streams import answer, say
from inrc.errors import ConfigError

if TYPE_CHECKING:
    from inrc.evaluate.tables import Table
    from inrc.meta.compare import Summary, Trajectory
    from inrc.meta.compare_latents import LatentSummary, LatentTrajectory
    from inrc.meta.data import Photographs
    from inrc.shared_init import SharedInit


@dataclasses.dataclass(frozen=True)
class Compare:
    """Fit pictures from several starts and from random weights: PSNR after 0 to 300 steps, and bits per pixel.

    Of latent grids: the loss, 1,000 (mse + lambda bpp), PSNR and bits of fits of 0 to 1,000 steps.

    Attributes:
      starts: Folders of finished runs, .npz files, or the first digits of ids.
      data: A folder of photographs, all of which may be fitted; the validation pictures of INRC_TRAIN if not given.
      pictures: Fit only the first N pictures by name; all pictures if not given.
      output: The folder for compare.json and the figure. It is made if it does not exist.
      json: Print one JSON object instead of the table.
    """

    starts: Annotated[Positional[tuple[str, ...]], value("START"), Place()]
    data: Annotated[Path | None, value("FOLDER"), Place()] = None
    pictures: Annotated[int | None, value("N"), Between(1, 10**9)] = None
    output: Annotated[Path, value("FOLDER", "-o", hint=None), Place()] = Path("out/meta/compare")
    json: Annotated[bool, FLAG] = False


def compare_command(arguments: Compare) -> None:
    """Prints the table, and writes its values as JSON and as a figure.

    Raises:
      InrcError: A start or the pictures cannot be read, the canvases of the starts differ, the files cannot be written,
        or matplotlib is missing.
    """
    from inrc.cli.jax_setup import jax_set_up
    from inrc.evaluate import ablation_figures, drawing
    from inrc.evaluate.tables import to_markdown
    from inrc.meta.compare import compare
    from inrc.meta.compare_latents import are_of_latent_grids, compare_latents

    inits = _inits(arguments.starts)
    pictures = _pictures(arguments, inits)
    with jax_set_up():
        if are_of_latent_grids(inits):
            losses = compare_latents(inits, pictures, progress=_print_losses)
            starts, table, figure = losses, losses_table(losses), ablation_figures.losses(losses)
        else:
            summaries = compare(inits, pictures, progress=print_trajectory)
            starts, table, figure = summaries, starts_table(summaries), ablation_figures.starts(summaries)
    about = {
        "inits": {name: init.id.hex() for name, init in inits.items()},
        "starts": [dataclasses.asdict(start) for start in starts],
    }
    try:
        arguments.output.mkdir(parents=True, exist_ok=True)
        write_file(arguments.output / "compare.json", json.dumps(about, indent=1).encode() + b"\n")
        drawing.save(figure, arguments.output, "compare")
    except OSError as error:
        raise unwritable(arguments.output, error.strerror or str(error)) from error
    if arguments.json:
        answer(json.dumps(about))
    else:
        print(to_markdown(table), end="", flush=True)


def starts_table(summaries: "Sequence[Summary]") -> "Table":
    """Returns a table of starts: mean and deviation of PSNR after numbers of steps, then rounded PSNR and bpp."""
    from inrc.evaluate.tables import Table

    first = summaries[0]
    rows = tuple(
        (
            summary.start,
            *(f"{mean:.2f} ± {spread:.2f}" for mean, spread in zip(summary.psnr_db, summary.deviation_db, strict=True)),
            f"{summary.rounded_psnr_db:.2f}",
            f"{summary.bpp:.4f}",
        )
        for summary in summaries
    )
    header = ("start", *(f"{n:,} steps, dB" for n in first.steps), "rounded, dB", "bpp")
    return Table(
        f"PSNR after few and many steps, pictures: {len(first.pictures)}",
        header,
        rows,
        note="Mean ± standard deviation over pictures. Rounded weights and their bits are those after the last step.",
    )


def losses_table(summaries: "Sequence[LatentSummary]") -> "Table":
    """Returns a table of starts of latent grids: the loss of fits of each length, then PSNR and bpp of the longest."""
    from inrc.evaluate.tables import Table

    first = summaries[0]
    rows = tuple(
        (s.start, *(f"{loss:.4f}" for loss in s.loss), f"{s.psnr_db[-1]:.2f}", f"{s.bpp[-1]:.4f}") for s in summaries
    )
    return Table(
        f"Loss of fits of several lengths at lambda {first.lambda_rd:g}, pictures: {len(first.pictures)}",
        ("start", *(f"{n:,} steps" for n in first.steps), "dB", "bpp"),
        rows,
        note="1,000 (mse + lambda bpp) as rounded, geometric means over pictures; PSNR and bpp are the longest fit's.",
    )


def _print_losses(trajectory: "LatentTrajectory") -> None:
    """Prints one line on stderr for a start's fits of a picture."""
    losses = " ".join(f"{loss:.4f}" for loss in trajectory.loss)
    say(f"{trajectory.start}  {trajectory.picture}  loss {losses}")


def print_trajectory(trajectory: "Trajectory") -> None:
    """Prints one line on stderr for a fit."""
    say(
        f"{trajectory.start}  {trajectory.picture}  {trajectory.psnr_db[0]:.2f} to {trajectory.psnr_db[-1]:.2f} dB  "
        f"rounded {trajectory.rounded_psnr_db:.2f} dB at {trajectory.bpp:.4f} bpp"
    )


def _inits(starts: Sequence[str]) -> "dict[str, SharedInit]":
    """Returns the inits that a user names, by the last parts of their paths, or by whole paths where those are equal.

    Raises:
      InrcError: An init cannot be read.
    """
    from inrc import shared_init
    from inrc.meta.run import load_run

    if not starts:
        raise ConfigError("there is nothing to compare; name folders of runs, .npz files or ids")
    short = [Path(start).name for start in starts]
    names = short if len(set(short)) == len(short) else starts
    return {
        name: load_run(Path(start)).init if Path(start).is_dir() else shared_init.by_name(start)
        for name, start in zip(names, starts, strict=True)
    }


def _pictures(arguments: Compare, inits: "Mapping[str, SharedInit]") -> "Photographs":
    """Returns the pictures to fit.

    Raises:
      InrcError: There are no pictures.
    """
    from inrc.meta.data import load_pictures, read_pictures
    from inrc.meta.recipe import training_folder

    shape = next(iter(inits.values())).shape
    folder = training_folder(arguments.data)
    pictures = load_pictures(folder, shape).validation if arguments.data is None else read_pictures(folder, shape)[0]
    if arguments.pictures is None:
        return pictures
    return pictures.take(list(range(len(pictures)))[: arguments.pictures])
