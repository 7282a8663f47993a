"""The loop over compiled chunks, for fits of any family: race, best so far, guard, budgets, Ctrl-C, checkpoints."""

import contextlib
import dataclasses
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from inrc import programs
from inrc.fit import checkpoint
from inrc.fit.batch import Batch, ChunkReport, Ended
from inrc.fit.control import Clock
from inrc.fit.lanes import chosen
from inrc.fit.task import FitResult, Progress


@dataclasses.dataclass(frozen=True)
class _Best:
    """For each fit the lowest value so far, and the parts of the state that have it."""

    values: np.ndarray
    parts: dict[str, Any]


def run_fits(
    batch: Batch,
    *,
    progress: Callable[[Progress], None] | None = None,
    checkpoint_path: Path | None = None,
    checkpoint_every: float = 20.0,
) -> list[FitResult]:
    """Runs all fits of a batch to their end, or to the user's Ctrl-C.

    Args:
      batch: the fits.
      progress: called after every chunk.
      checkpoint_path: where the state is kept; fits that find their own state there continue from it and end in the
        same results as fits that were never stopped. The caller removes the file once the results are safe.
      checkpoint_every: seconds between two checkpoints.

    Returns:
      The best rounded result of each fit, in the order of the tasks. On KeyboardInterrupt, the best until then.

    Raises:
      CheckpointMismatchError: The checkpoint belongs to other signals or other options.
    """
    began = time.monotonic()
    n_chunks = batch.plan.n_chunks(batch.start_fraction)
    clock = Clock(batch.time_budget, n_chunks, batch.start_fraction)
    state = batch.first(0)
    identity = batch.identity()
    resumed = checkpoint.load(checkpoint_path, identity, state)
    programs.drop_if_many()
    compile_began = time.monotonic()
    batch.compile(state)
    compile_seconds = time.monotonic() - compile_began
    best = _Best(np.full(len(batch.tasks), np.inf), {})
    interrupted = False
    if resumed is not None:
        state, best = _restored(batch, clock, *resumed)
    elif batch.n_seeds > 1 and n_chunks > 1:
        state, interrupted = _race(batch, state, clock, n_chunks, progress)
    saved = time.monotonic()
    try:
        while clock.fraction < 1.0 - 1e-9 and not interrupted:
            start, stop = clock.begin_chunk()
            after, report = batch.run(state, start, stop, clock.chunk)
            watched = batch.divergence(report)
            admitted = [guard.admits(float(value)) for guard, value in zip(batch.guards, watched, strict=True)]
            state = after if all(admitted) else chosen(batch.filled(admitted), after, state)
            if batch.is_measured(start, stop, clock.chunk + 1):
                best = _better(batch, best, state)
            state = batch.restarted(batch.steered(state, report, start, stop), best.parts, start, stop)
            clock.end_chunk(stop)
            if progress is not None:
                progress(_progress(batch, clock, state, report))
            due = time.monotonic() - saved > checkpoint_every or clock.fraction >= 1.0
            if checkpoint_path is not None and due:
                # A full disk costs the checkpoint, not the encode.
                with contextlib.suppress(OSError):
                    notes = _notes(batch, clock, best)
                    checkpoint.save(checkpoint_path, identity, state, state._replace(**best.parts), notes)
                saved = time.monotonic()
    except KeyboardInterrupt:
        interrupted = True
    if not best.parts:
        best = _better(batch, best, state)
    return batch.results(Ended(best.parts, state, time.monotonic() - began, compile_seconds, interrupted))


def _better(batch: Batch, best: _Best, state: Any) -> _Best:
    """The better of the best so far and the present state of each fit."""
    values = batch.values(state)
    parts = {name: getattr(state, name) for name in batch.kept}
    if not best.parts:
        return _Best(values, parts)
    better = values < best.values
    return _Best(np.where(better, values, best.values), chosen(batch.filled(better), parts, best.parts))


def _race(
    batch: Batch, state: Any, clock: Clock, n_chunks: int, progress: Callable[[Progress], None] | None
) -> tuple[Any, bool]:
    """For each fit the state of the random start whose loss, rate included, is lowest in the race's last chunk.

    Starts run one after the other: where a device has room for more, a batch of more fits fills it.

    Args:
      batch: the fits.
      state: of start number 0, before the first step.
      clock: moves to the end of the race.
      n_chunks: of the whole fit.
      progress: called after every chunk.

    Returns:
      (states, whether Ctrl-C ended the race). After Ctrl-C the states are those of the best start that had finished the
      race, or of the first start as far as it came.
    """
    n_race = min(n_chunks - 1, max(1, round(batch.plan.config.race_fraction * n_chunks)))
    ends, costs = [], []
    interrupted = False
    end = state
    try:
        for number in range(batch.n_seeds):
            end, cost = batch.first(number) if number else state, np.zeros(0)
            for i in range(n_race):
                start, stop = i / n_chunks, (i + 1) / n_chunks
                after, report = batch.run(end, start, stop, i)
                end = batch.restarted(after, {}, start, stop)
                cost = report.costs
                if progress is not None:
                    progress(_progress(batch, clock, end, report))
            ends.append(end)
            costs.append(cost)
    except KeyboardInterrupt:
        interrupted = True
    clock.chunk, clock.fraction = n_race, n_race / n_chunks
    if not ends:
        return end, interrupted
    winners = np.argmin(np.stack(costs), axis=0)
    winner = ends[0]
    for number, end in enumerate(ends[1:], start=1):
        winner = chosen(batch.filled(winners == number), end, winner)
    return winner, interrupted


def _progress(batch: Batch, clock: Clock, state: Any, report: ChunkReport) -> Progress:
    return Progress(
        clock.fraction,
        int(np.asarray(state.step)[0]),
        float(report.losses.mean()),
        statistics.fmean(float(row[-1]) / n for row, n in zip(report.bits, batch.n_samples, strict=True)),
        clock.seconds,
        clock.seconds_left,
    )


def _notes(batch: Batch, clock: Clock, best: _Best) -> dict[str, Any]:
    """What a checkpoint keeps beside the states."""
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


def _restored(batch: Batch, clock: Clock, state: Any, best_state: Any, notes: dict[str, Any]) -> tuple[Any, _Best]:
    """(state, best) of a checkpoint; the clock, the steerings and the guards take what its notes say."""
    clock.chunk, clock.fraction = int(notes["chunk"]), float(notes["fraction"])
    clock.elapsed_before = float(notes["seconds"])
    for note, steering, guard in zip(notes["fits"], batch.steerings, batch.guards, strict=True):
        steering.lambda_rd, steering.overhead = note["lambda_rd"], note["overhead"]
        guard.lowest, guard.rate_scale = note["lowest"], note["rate_scale"]
    values = np.array(notes["best"])
    if not np.isfinite(values).all():
        return batch.lanes.put(state), _Best(np.full(len(values), np.inf), {})
    return batch.lanes.put(state), _Best(values, {name: getattr(best_state, name) for name in batch.kept})
