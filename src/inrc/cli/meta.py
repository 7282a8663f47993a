"""`inrc meta`: learns shared inits, exports them, and compares them."""

import atexit
import contextlib
import dataclasses
import json
import math
import os
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import Positional, subcommand

from inrc.cli.arguments import FLAG, read_file, unwritable, value, write_file
from inrc.errors import ConfigError

if TYPE_CHECKING:
    from inrc.evaluate.tables import Table
    from inrc.meta.compare import Summary, Trajectory
    from inrc.meta.data import Photographs
    from inrc.meta.run import Run, RunProgress
    from inrc.meta.train import TrainProgress
    from inrc.meta.train_pool import PoolProgress
    from inrc.shared_init import SharedInit

_QUIET_SECONDS = 10.0
"""Between two lines of progress where stderr is no terminal."""


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


@dataclasses.dataclass(frozen=True)
class Export:
    """Write a finished run's init as <id>.npz, named by its hash, and its card as <id>.json.

    Attributes:
      run: Folder of the run.
      output: Folder of the files; made where there is none.
      gains: What `inrc meta compare` has written of it, compare.json, for the card.
    """

    run: Annotated[Positional[Path], value("RUN_FOLDER")]
    output: Annotated[Path, value("FOLDER", "-o", hint=None)] = Path("meta_init/exported")
    gains: Annotated[Path | None, value("COMPARE.json")] = None


@dataclasses.dataclass(frozen=True)
class Compare:
    """Fit pictures from several starts and from random weights: PSNR after 0 to 300 steps, and bits per pixel.

    Attributes:
      starts: Folders of finished runs, .npz files, or first digits of ids.
      data: Folder of photographs, all of which may be fitted; the validation pictures of INRC_TRAIN if not given.
      pictures: How many are fitted, the first by name; all if not given.
      output: Folder for compare.json and the figure; made where there is none.
      json: Print one JSON object instead of the table.
    """

    starts: Annotated[Positional[tuple[str, ...]], value("START")]
    data: Annotated[Path | None, value("FOLDER")] = None
    pictures: Annotated[int | None, value("N")] = None
    output: Annotated[Path, value("FOLDER", "-o", hint=None)] = Path("out/meta/compare")
    json: Annotated[bool, FLAG] = False


@dataclasses.dataclass(frozen=True)
class Meta:
    """Learn shared inits, where fits of many pictures begin; export and compare them."""

    command: (
        Annotated[Train, subcommand("train", prefix_name=False)]
        | Annotated[Export, subcommand("export", prefix_name=False)]
        | Annotated[Compare, subcommand("compare", prefix_name=False)]
    )


def run(arguments: Meta) -> None:
    """Runs a subcommand.

    Raises:
      InrcError: See there.
    """
    match arguments.command:
        case Train():
            run_train(arguments.command)
        case Export():
            run_export(arguments.command)
        case Compare():
            run_compare(arguments.command)


def run_train(arguments: Train) -> None:
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


def run_export(arguments: Export) -> None:
    """Writes the two files and prints what they are.

    Raises:
      InrcError: The folder holds no finished run, or the files cannot be read or written.
    """
    from inrc.meta.export import export
    from inrc.meta.run import load_run

    done = load_run(arguments.run)
    gains = None
    if arguments.gains is not None:
        gains = _gains(arguments.gains, done.init.id.hex())
    try:
        init_path, card_path = export(done, arguments.output, gains=gains)
    except OSError as error:
        raise unwritable(arguments.output, error.strerror or str(error)) from error
    print(f"{init_path}: {init_path.stat().st_size:,} bytes, {done.init.n_weights:,} weights")
    print(card_path, flush=True)


def run_compare(arguments: Compare) -> None:
    """Prints the table, and writes it as JSON and as a figure.

    Raises:
      InrcError: A start or the pictures are not to be had, the starts' canvases differ, the files cannot be written, or
        matplotlib is missing.
    """
    from inrc.cli.jax_setup import jax_set_up
    from inrc.evaluate import drawing, figures
    from inrc.meta.compare import compare

    inits = _inits(arguments.starts)
    pictures = _pictures(arguments, inits)
    with jax_set_up():
        summaries = compare(inits, pictures, progress=report)
    about = {
        "inits": {name: init.id.hex() for name, init in inits.items()},
        "starts": [dataclasses.asdict(summary) for summary in summaries],
    }
    try:
        arguments.output.mkdir(parents=True, exist_ok=True)
        write_file(arguments.output / "compare.json", json.dumps(about, indent=1).encode() + b"\n")
        drawing.save(figures.starts(summaries), arguments.output, "compare")
    except OSError as error:
        raise unwritable(arguments.output, error.strerror or str(error)) from error
    if arguments.json:
        print(json.dumps(about), flush=True)
    else:
        from inrc.evaluate.tables import to_markdown

        print(to_markdown(table(summaries)), end="", flush=True)


def table(summaries: "Sequence[Summary]") -> "Table":
    """Starts by numbers of steps: mean and standard deviation of PSNR over pictures, and what is stored in the end."""
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


def _inits(starts: Sequence[str]) -> "dict[str, SharedInit]":
    """The inits that a user names, by the last parts of their paths, or by the paths where those are the same.

    Raises:
      InrcError: One is not to be had.
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
    """The pictures to fit.

    Raises:
      InrcError: There are none.
    """
    from inrc.meta.data import load_pictures, read_pictures
    from inrc.meta.recipe import training_folder

    shape = next(iter(inits.values())).shape
    folder = training_folder(arguments.data)
    pictures = load_pictures(folder, shape).validation if arguments.data is None else read_pictures(folder, shape)[0]
    if arguments.pictures is None:
        return pictures
    if arguments.pictures < 1:
        raise ConfigError(f"the number of pictures is {arguments.pictures}; it must be 1 or more")
    return pictures.take(list(range(len(pictures)))[: arguments.pictures])


def _gains(path: Path, init_id: str) -> dict[str, Any]:
    """What a comparison says of an init and of random weights.

    Raises:
      InrcError: The file is not to be had, or is no comparison of that init.
    """
    data = read_file(path)
    try:
        found = json.loads(data)
        names = [name for name, other in found["inits"].items() if other == init_id]
        starts = [start for start in found["starts"] if start["start"] in names or start["is_random"]]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"{path} is no comparison; give a compare.json of `inrc meta compare`") from error
    if not names:
        raise ConfigError(f"{path} does not compare the init {init_id}; give a comparison that does")
    return {"starts": starts}


def report(trajectory: "Trajectory") -> None:
    """One line on stderr for every fit."""
    print(
        f"{trajectory.start}  {trajectory.picture}  {trajectory.psnr_db[0]:.2f} to {trajectory.psnr_db[-1]:.2f} dB  "
        f"rounded {trajectory.rounded_psnr_db:.2f} dB at {trajectory.bpp:.4f} bpp",
        file=sys.stderr,
        flush=True,
    )


class ProgressLines:
    """Where a run stands: on a terminal a line that changes, elsewhere a line now and then; validated steps stay."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._on_terminal = sys.stderr.isatty()
        self._last = -math.inf

    def __call__(self, state: "RunProgress") -> None:
        """Shows a state."""
        from inrc.meta.train import TrainProgress
        from inrc.meta.train_pool import PoolProgress

        stays = state.fraction >= 1
        if isinstance(state, TrainProgress):
            line = _outer_line(state)
            stays = stays or not math.isnan(state.validation_psnr)
        elif isinstance(state, PoolProgress):
            line = _pool_line(state)
        else:
            line = f"prior, round {state.round}/{state.n_rounds}, fit {state.fit}/{state.n_fits}, {state.picture}"
            line += f"  {state.fraction:.0%}"
        if self._quiet or not (self._on_terminal or stays or time.monotonic() - self._last > _QUIET_SECONDS):
            return
        self._last = time.monotonic()
        if self._on_terminal:
            sys.stderr.write(f"\r\x1b[K{line}" + "\n" * stays)
        else:
            sys.stderr.write(f"{line}\n")
        sys.stderr.flush()

    def announce(self, message: str) -> None:
        """A line of its own."""
        if not self._quiet:
            self.end()
            print(message, file=sys.stderr, flush=True)

    def end(self) -> None:
        """Clears the line that changes."""
        if self._on_terminal and not self._quiet:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def _outer_line(state: "TrainProgress") -> str:
    parts = [
        f"step {state.step:,}",
        f"loss {state.loss:.4f}",
        f"{state.psnr_before:.2f} to {state.psnr_after:.2f} dB",
        "" if math.isnan(state.validation_psnr) else f"validation {state.validation_psnr:.2f} dB",
        f"{state.n_skipped} skipped" if state.n_skipped else "",
        "" if math.isnan(state.tasks_per_second) else f"{state.tasks_per_second:.3g} tasks/s",
        "" if math.isnan(state.seconds_left) else f"{timedelta(seconds=round(state.seconds_left))} left",
    ]
    return "  ".join(part for part in parts if part)


def _pool_line(state: "PoolProgress") -> str:
    return (
        f"step {state.step:,}  loss {1000 * state.loss:.4f}e-3  mse {1000 * state.mse:.4f}e-3  "
        f"{state.bpp:.4f} bpp  {timedelta(seconds=round(state.seconds_left))} left"
    )
