"""`inrc meta train`: learns a shared init by a recipe, on one machine or several."""

import atexit
import contextlib
import dataclasses
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional

from inrc.cli.argument_checks import Between, InputFile, Place
from inrc.cli.arguments import FLAG, value
from inrc.cli.meta_progress import ProgressLines
from inrc.cli.streams import answer

if TYPE_CHECKING:
    from inrc.meta.run import Run, RunProgress


@dataclasses.dataclass(frozen=True)
class Train:
    """Learn a shared init by a recipe. A run that was stopped or killed resumes when the same command is run again.

    To use several machines, run the command on each of them with the same pictures: with --coordinator, --num-processes
    and --process-id, or with --distributed on clusters that JAX knows.

    Attributes:
      recipe: A Python file with a Recipe called RECIPE.
      output: The folder of the run; out/meta/ and the name of the recipe if not given.
      data: A folder of photographs; the recipe's, or that of INRC_TRAIN, if not given.
      quiet: Show no progress on stderr.
      coordinator: The address at which process 0 listens and the other processes find it.
      num_processes: The number of processes that share the run.
      process_id: The number of this process, from 0. Process 0 alone shows progress and writes results.
      distributed: Share the run with the other processes of a Slurm, Open MPI, Kubernetes or TPU job.
      timeout: The run ends for all processes if one of them is missing or silent for so many seconds.
    """

    recipe: Annotated[Positional[Path], value("RECIPE.py"), InputFile()]
    output: Annotated[Path | None, value("FOLDER", "-o"), Place()] = None
    data: Annotated[Path | None, value("FOLDER"), Place()] = None
    quiet: Annotated[bool, FLAG] = False
    coordinator: Annotated[str | None, value("HOST:PORT")] = None
    num_processes: Annotated[int | None, value("N"), Between(1, 10**6)] = None
    process_id: Annotated[int | None, value("I"), Between(0, 10**6)] = None
    distributed: Annotated[bool, FLAG] = False
    timeout: Annotated[float, value("S", hint=None), Between(1, 10**6)] = 120.0


def train_command(arguments: Train) -> None:
    """Runs a recipe in its folder, and prints path and id of the shared init.

    Raises:
      InrcError: The recipe or the pictures cannot be read, the folder holds the run of another recipe, or the run
        diverged.
      KeyboardInterrupt: The run was stopped; the message says how to resume it.
    """
    from inrc.cli.jax_platforms import check_platforms
    from inrc.cli.jax_setup import jax_set_up

    with jax_set_up(starts_devices=False), _among_processes(arguments):
        check_platforms()
        _train(arguments)


def _train(arguments: Train) -> None:
    from inrc.cli.interrupt import run_interruptibly
    from inrc.meta import processes
    from inrc.meta.recipe import load_recipe
    from inrc.meta.run import INIT, run_recipe

    recipe = load_recipe(arguments.recipe)
    folder = arguments.output or Path("out/meta") / recipe.name
    lines = ProgressLines(quiet=arguments.quiet or not processes.is_first())

    def work(stop: threading.Event) -> "Run":
        def progress(state: "RunProgress") -> None:
            lines(state)
            if stop.is_set():
                raise KeyboardInterrupt

        return run_recipe(recipe, folder, data=arguments.data, progress=progress)

    def announce() -> None:
        lines.announce("inrc: stopping after this step; press Ctrl-C again to abort")

    try:
        done = run_interruptibly(work, announce)
    except KeyboardInterrupt as error:
        raise KeyboardInterrupt("interrupted; the same command resumes from the last checkpoint") from error
    finally:
        lines.end()
    if processes.is_first():
        answer(f"{folder / INIT}: {done.init.n_weights:,} weights, id {done.init.id.hex()}")


@contextlib.contextmanager
def _among_processes(arguments: Train) -> Iterator[None]:
    """Joins the processes that a user names. If this process fails, it ends at once, so that the others notice.

    Raises:
      InrcError: The arguments contradict each other, or the processes do not find each other.
    """
    named = (arguments.coordinator, arguments.num_processes, arguments.process_id)
    if not arguments.distributed and named == (None, None, None):
        yield
        return
    import jax

    from inrc.meta import processes

    processes.join(*named, timeout=arguments.timeout)
    try:
        yield
    except BaseException:
        atexit.register(os._exit, 1)  # before JAX waits for the others, who wait for this one
        raise
    jax.distributed.shutdown()  # once all are done
