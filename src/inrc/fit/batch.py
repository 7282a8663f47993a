"""The loop over compiled chunks, for fits of any family: race, best so far, guard, budgets, Ctrl-C, checkpoints."""

import abc
import contextlib
import dataclasses
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from inrc.fit import checkpoint
from inrc.fit.config import Progress
from inrc.fit.control import Clock, Guard
from inrc.fit.lanes import Lanes, chosen
from inrc.fit.steering import Steering


@dataclasses.dataclass(frozen=True)
class Rules:
    """What the fits of a batch have in common, as far as the loop must know.

    Attributes:
      n_chunks: compiled calls, from `begin` to the end.
      begin: fraction of the course that was done before.
      n_seeds: random starts of each that race.
      race_fraction: of the course, for which they do.
      time_budget: seconds for all fits together.
      kept: fields of a state that a result is made of.
    """

    n_chunks: int
    begin: float
    n_seeds: int
    race_fraction: float
    time_budget: float | None
    kept: tuple[str, ...]

    @property
    def race_chunks(self) -> int:
        """Chunks of a race."""
        if self.n_seeds == 1:
            return 0
        return min(self.n_chunks - 1, max(1, round(self.race_fraction * self.n_chunks)))


class Seen(NamedTuple):
    """What the steps of a chunk met, of every fit.

    Attributes:
      losses: distortion [n], mean over the steps.
      costs: the same with the rate.
      bits: [n, steps], of the last steps.
    """

    losses: np.ndarray
    costs: np.ndarray
    bits: np.ndarray


class Batch(abc.ABC):
    """The fits of a batch, and all that the host knows of them beside their state: what a family must say of its own.

    States are trees of arrays [lanes.n, ...] with a field `step`; what lies beyond the last fit only fills lanes up.

    Attributes:
      lanes: how fits are spread.
      rules: for all.
      n_pixels: of each.
      guards: of each.
      steerings: of each.
    """

    lanes: Lanes
    rules: Rules
    n_pixels: list[int]
    guards: list[Guard]
    steerings: list[Steering]

    @abc.abstractmethod
    def identity(self) -> str:
        """A hash of everything that the results depend on."""

    @abc.abstractmethod
    def first(self, seed: int) -> Any:
        """States before the first step, from random start number `seed` of each fit."""

    @abc.abstractmethod
    def compile(self, state: Any) -> None:
        """Compiles what `run` needs."""

    @abc.abstractmethod
    def run(self, state: Any, begin: float, end: float, chunk: int) -> tuple[Any, Seen]:
        """Takes the steps of chunk number `chunk`, from one fraction of the course to another."""

    @abc.abstractmethod
    def divergence(self, seen: Seen) -> np.ndarray:
        """What the guards watch [n]."""

    @abc.abstractmethod
    def looks(self, begin: float, end: float, n_done: int) -> bool:
        """Whether the state after a chunk, the `n_done`-th, may be the best."""

    @abc.abstractmethod
    def values(self, state: Any) -> np.ndarray:
        """What is to be lowest in the end, of the state as a file would hold it; float64 [n]."""

    @abc.abstractmethod
    def steered(self, state: Any, seen: Seen, begin: float, end: float) -> Any:
        """The state after a chunk as the next one finds it, once lambdas have followed the rates."""

    def filled(self, values: Sequence[Any] | np.ndarray) -> jax.Array:
        """A number for each fit as an array [lanes.n]."""
        last = [values[-1]] * (self.lanes.n - len(values))
        return self.lanes.put(np.asarray([*values, *last]))


class Ended(NamedTuple):
    """What became of a batch.

    Attributes:
      best: {name: part of the state that was best [lanes.n, ...]}.
      state: at the end.
      compile_seconds: which compiling the program of the steps took.
      interrupted: whether Ctrl-C ended it.
    """

    best: dict[str, Any]
    state: Any
    compile_seconds: float
    interrupted: bool


@dataclasses.dataclass(frozen=True)
class _Best:
    """For each fit the lowest value so far, and the parts of the state that have it."""

    values: np.ndarray
    parts: dict[str, Any]


def run(
    batch: Batch,
    progress: Callable[[Progress], None] | None,
    checkpoint_path: Path | None,
    checkpoint_every: float,
) -> Ended:
    """Runs all fits of a batch to their end, or to the user's Ctrl-C.

    Args:
      batch: the fits.
      progress: called after every chunk.
      checkpoint_path: where the state is kept.
      checkpoint_every: seconds between two checkpoints.

    Raises:
      CheckpointMismatchError: The checkpoint belongs to other fits.
    """
    rules = batch.rules
    clock = Clock(rules.time_budget, rules.n_chunks, rules.begin)
    state = batch.first(0)
    identity = batch.identity()
    resumed = checkpoint.load(checkpoint_path, identity, state)
    began = time.monotonic()
    batch.compile(state)
    compile_seconds = time.monotonic() - began
    best = _Best(np.full(len(batch.guards), np.inf), {})
    interrupted = False
    if resumed is not None:
        state, best = _restored(batch, clock, *resumed)
    elif rules.race_chunks:
        state, interrupted = _race(batch, state, clock, progress)
    saved = time.monotonic()
    try:
        while clock.fraction < 1.0 - 1e-9 and not interrupted:
            begin, end = clock.begin_chunk()
            after, seen = batch.run(state, begin, end, clock.chunk)
            clock.end_chunk(end)
            watched = batch.divergence(seen)
            admitted = [guard.admits(float(value)) for guard, value in zip(batch.guards, watched, strict=True)]
            state = after if all(admitted) else chosen(batch.filled(admitted), after, state)
            if batch.looks(begin, end, clock.chunk):
                best = _better(batch, best, state)
            state = batch.steered(state, seen, begin, end)
            if progress is not None:
                progress(_progress(batch, clock, state, seen))
            due = time.monotonic() - saved > checkpoint_every or clock.fraction >= 1.0
            if checkpoint_path is not None and due:
                # A full disk costs the checkpoint, not the encode.
                with contextlib.suppress(OSError):
                    noted = _noted(batch, clock, best)
                    checkpoint.save(checkpoint_path, identity, state, state._replace(**best.parts), noted)
                saved = time.monotonic()
    except KeyboardInterrupt:
        interrupted = True
    if not best.parts:
        best = _better(batch, best, state)
    return Ended(best.parts, state, compile_seconds, interrupted)


def _better(batch: Batch, best: _Best, state: Any) -> _Best:
    """The better of the best so far and the present state of each fit."""
    values = batch.values(state)
    parts = {name: getattr(state, name) for name in batch.rules.kept}
    if not best.parts:
        return _Best(values, parts)
    better = values < best.values
    return _Best(np.where(better, values, best.values), chosen(batch.filled(better), parts, best.parts))


def _race(batch: Batch, state: Any, clock: Clock, progress: Callable[[Progress], None] | None) -> tuple[Any, bool]:
    """For each fit the state of the random start whose loss + rate is lowest in the last of some chunks.

    Starts run one after the other: where a device has room for more, a batch of more fits fills it.

    Args:
      batch: the fits.
      state: of start number 0, before the first step.
      clock: moves to where the starts have come.
      progress: called after every chunk.

    Returns:
      (states, whether Ctrl-C ended the race: then among the starts that had come to its end, or where the first stood).
    """
    n_chunks, n_race = batch.rules.n_chunks, batch.rules.race_chunks
    ends, costs = [], []
    interrupted = False
    end = state
    try:
        for seed in range(batch.rules.n_seeds):
            end, cost = batch.first(seed) if seed else state, np.zeros(0)
            for i in range(n_race):
                end, seen = batch.run(end, i / n_chunks, (i + 1) / n_chunks, i)
                cost = seen.costs
                if progress is not None:
                    progress(_progress(batch, clock, end, seen))
            ends.append(end)
            costs.append(cost)
    except KeyboardInterrupt:
        interrupted = True
    clock.chunk, clock.fraction = n_race, n_race / n_chunks
    if not ends:
        return end, interrupted
    winners = np.argmin(np.stack(costs), axis=0)
    winner = ends[0]
    for seed, end in enumerate(ends[1:], start=1):
        winner = chosen(batch.filled(winners == seed), end, winner)
    return winner, interrupted


def _progress(batch: Batch, clock: Clock, state: Any, seen: Seen) -> Progress:
    return Progress(
        clock.fraction,
        int(np.asarray(state.step)[0]),
        float(seen.losses.mean()),
        statistics.fmean(float(row[-1]) / n for row, n in zip(seen.bits, batch.n_pixels, strict=True)),
        clock.seconds,
        clock.seconds_left,
    )


def _noted(batch: Batch, clock: Clock, best: _Best) -> dict[str, Any]:
    """What a checkpoint keeps beside states."""
    fits = [
        {
            "lambda_rd": steering.lambda_rd,
            "overhead": steering.overhead,
            "lowest": guard.lowest,
            "rate_scale": guard.rate_scale,
        }
        for steering, guard in zip(batch.steerings, batch.guards, strict=True)
    ]
    return {
        "chunk": clock.chunk,
        "fraction": clock.fraction,
        "seconds": clock.seconds,
        "best": best.values.tolist(),
        "fits": fits,
    }


def _restored(batch: Batch, clock: Clock, state: Any, best_state: Any, noted: dict[str, Any]) -> tuple[Any, _Best]:
    """The state and the best that a checkpoint has; what it notes goes back to where it was."""
    clock.chunk, clock.fraction = int(noted["chunk"]), float(noted["fraction"])
    clock.elapsed_before = float(noted["seconds"])
    for note, steering, guard in zip(noted["fits"], batch.steerings, batch.guards, strict=True):
        steering.lambda_rd, steering.overhead = note["lambda_rd"], note["overhead"]
        guard.lowest, guard.rate_scale = note["lowest"], note["rate_scale"]
    values = np.array(noted["best"])
    if not np.isfinite(values).all():
        return batch.lanes.put(state), _Best(np.full(len(values), np.inf), {})
    return batch.lanes.put(state), _Best(values, {name: getattr(best_state, name) for name in batch.rules.kept})
