"""`inrc evaluate`: runs an experiment."""

import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional

from inrc.cli.arguments import FLAG, value
from inrc.errors import InrcError

if TYPE_CHECKING:
    from inrc.evaluate.records import Record


@dataclasses.dataclass(frozen=True)
class Evaluate:
    """Run an experiment: measure what has no record yet.

    Attributes:
      experiment: A Python file with an Experiment called EXPERIMENT, and SMOKE for --smoke.
      smoke: Run the experiment's short form.
      pictures: Folder of the pictures; INRC_KODAK for Kodak if not given.
      results: Folder of the files of records: experiments/results, or out/smoke for --smoke, if not given.
      files: Folder where the codecs' files are kept.
      again: Try again what failed before.
      remake: Measure again what has a record but whose file is gone.
    """

    experiment: Annotated[Positional[Path], value("EXPERIMENT.py")]
    smoke: Annotated[bool, FLAG] = False
    pictures: Annotated[Path | None, value("FOLDER")] = None
    results: Annotated[Path | None, value("FOLDER")] = None
    files: Annotated[Path, value("FOLDER")] = Path("out/files")
    again: Annotated[bool, FLAG] = False
    remake: Annotated[bool, FLAG] = False


def evaluate_command(arguments: Evaluate) -> None:
    """Runs the experiment, with a line on stderr for every point.

    Raises:
      InrcError: The experiment, its pictures or its records are not to be had, or points of it failed.
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
            progress=_report,
        )
    n_failed = sum(bool(record.failure) for record in records)
    if n_failed:
        raise InrcError(
            f"{n_failed} of {len(records)} points failed; their records say why, and --again tries them again"
        )


def _report(record: "Record", n_done: int, n_points: int) -> None:
    """One line on stderr for every point."""
    came_to = record.failure or (
        f"{record.bpp:.4f} bpp  {record.psnr_db:.2f} dB  MS-SSIM {record.ms_ssim:.4f}  {record.encode_seconds:.1f} s"
    )
    where = f"{record.picture}  {record.codec}  {record.point:g}"
    print(f"[{n_done}/{n_points}]  {where}  {came_to}", file=sys.stderr, flush=True)
