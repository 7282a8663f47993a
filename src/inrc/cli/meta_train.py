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

from inrc.cli.arguments import FLAG, value
from inrc.cli.meta_progress import ProgressLines

if TYPE_CHECKING:
    from inrc.meta.run import Progress, Run


@dataclasses.dataclass(frozen=True)
class Train:
    """Learn a shared init by a recipe. What was stopped or killed goes on when the same command is run again.

    On several hosts, run it on each with the same pictures: with --coordinator, --num-processes and --process-id, or
    with --distributed on clusters that JAX knows.

    Attributes:
      recipe: A Python file with a Recipe called RECIPE.
      output: Folder of the run; out/meta/ and the recipe's name if not given.
      data: Folder of photographs; the recipe's, or that of INRC_TRAIN, if not given.
      quiet: No progress on stderr.
      coordinator: Where process 0 listens and the others find it.
      num_processes: How many processes share the run.
      process_id: Which one this is, from 0; the first alone tells of progress and writes results.
      distributed: Share the run with the other processes of a Slurm, Open MPI, Kubernetes or TPU job.
      timeout: Seconds after which a process that does not come, or gives no sign of life, ends the run for all.
    """

    recipe: Annotated[Positional[Path], value("RECIPE.py")]
    output: Annotated[Path | None, value("FOLDER", "-o")] = None
    data: Annotated[Path | None, value("FOLDER")] = None
    quiet: Annotated[bool, FLAG] = False
    coordinator: Annotated[str | None, value("HOST:PORT")] = None
    num_processes: Annotated[int | None, value("N")] = None
    process_id: Annotated[int | None, value("I")] = None
    distributed: Annotated[bool, FLAG] = False
    timeout: Annotated[float, value("S", hint=None)] = 120.0


def train_command(arguments: Train) -> None:
    """Runs a recipe in its folder and prints what it came to.

    Raises:
      InrcError: The recipe or the pictures are not to be had, the folder holds another recipe's run, or it diverged.
      KeyboardInterrupt: The run was stopped; the message says how it goes on.
    """
    from inrc.cli.jax_setup import jax_set_up

    with jax_set_up(), _among_processes(arguments):
        _train(arguments)


def _train(arguments: Train) -> None:
    from inrc.cli.interrupt import run_interruptibly
    from inrc.meta import processes
    from inrc.meta.recipe import load_recipe
    from inrc.meta.run import INIT
    from inrc.meta.run import run as run_recipe

    recipe = load_recipe(arguments.recipe)
    folder = arguments.output or Path("out/meta") / recipe.name
    lines = ProgressLines(quiet=arguments.quiet or not processes.is_first())

    def work(stop: threading.Event) -> "Run":
        def progress(state: "Progress") -> None:
            lines(state)
            if stop.is_set():
                raise KeyboardInterrupt

        return run_recipe(recipe, folder, data=arguments.data, progress=progress)

    def announce() -> None:
        lines.announce("inrc: stopping after this step; Ctrl-C again to abort")

    try:
        done = run_interruptibly(work, announce)
    except KeyboardInterrupt as error:
        raise KeyboardInterrupt("interrupted; the same command goes on from the last checkpoint") from error
    finally:
        lines.end()
    if processes.is_first():
        print(f"{folder / INIT}: {done.init.n_weights:,} weights, id {done.init.id.hex()}", flush=True)


@contextlib.contextmanager
def _among_processes(arguments: Train) -> Iterator[None]:
    """Joins the processes that a user names. If this one fails it ends at once, so that they notice.

    Raises:
      InrcError: They contradict themselves or do not come together.
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
