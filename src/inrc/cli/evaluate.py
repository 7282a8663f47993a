"""`inrc evaluate`: runs an experiment."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional

from inrc.cli.argument_checks import InputFile, Place
from inrc.cli.arguments import FLAG, value
from inrc.cli.streams import say
from inrc.errors import InrcError

if TYPE_CHECKING:
    from inrc.evaluate.records import Record


@dataclasses.dataclass(frozen=True)
class Evaluate:
    """Run an experiment: measure every point that has no record yet.

    Attributes:
      experiment: A Python file with an Experiment called EXPERIMENT, and one called SMOKE for --smoke.
      smoke: Run the short form of the experiment.
      pictures: The folder of the pictures; for Kodak, INRC_KODAK names it if this option is not given.
      results: The folder of the files of records; experiments/results if not given, or out/smoke with --smoke.
      files: The folder in which the files of the codecs are kept.
      again: Measure points again that failed before.
      remake: Measure points again whose file is gone, although they have a record.
    """

    experiment: Annotated[Positional[Path], value("EXPERIMENT.py"), InputFile()]
    smoke: Annotated[bool, FLAG] = False
    pictures: Annotated[Path | None, value("FOLDER"), Place()] = None
    results: Annotated[Path | None, value("FOLDER"), Place()] = None
    files: Annotated[Path, value("FOLDER"), Place()] = Path("out/files")
    again: Annotated[bool, FLAG] = False
    remake: Annotated[bool, FLAG] = False


def evaluate_command(arguments: Evaluate) -> None:
    """Runs the experiment, with one line on stderr for every point.

    Raises:
      InrcError: The experiment, its pictures or its records cannot be read, or some of its points failed.
    """
    from inrc.cli.jax_setup import jax_set_up
    from inrc.evaluate.experiment import load_experiment
    from inrc.evaluate.runner import run_experiment

    experiment = load_experiment(arguments.experiment, smoke=arguments.smoke)
    with jax_set_up():
        records = run_experiment(
            experiment,
            results=arguments.results or Path("out/smoke" if arguments.smoke else "experiments/results"),
            files=arguments.files,
            pictures=arguments.pictures,
            again=arguments.again,
            remake=arguments.remake,
            progress=_print_point,
        )
    n_failed = sum(bool(record.failure) for record in records)
    if n_failed:
        raise InrcError(
            f"{n_failed} of {len(records)} points failed; their records say why, and --again tries them again"
        )


def _print_point(record: "Record", n_done: int, n_points: int) -> None:
    """Prints one line on stderr for a point."""
    result = record.failure or (
        f"{record.bpp:.4f} bpp  {record.psnr_db:.2f} dB  MS-SSIM {record.ms_ssim:.4f}  {record.encode_seconds:.1f} s"
    )
    where = f"{record.picture}  {record.codec}  {record.point:g}"
    say(f"[{n_done}/{n_points}]  {where}  {result}")
