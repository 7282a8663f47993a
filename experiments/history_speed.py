"""Seconds that each system takes to reach a PSNR, and the bytes it then needs, on one smooth picture.

Command: inrc evaluate experiments/history_speed.py, then python -m experiments.history_speed for the table.
Cost: 60 minutes of two cores. A run that was stopped resumes. Expected: the table of docs/history.md.

The picture is 128x128 pixels of the blurred background of kodim23: the PSNRs at which earlier work compared seconds
(COIN 22.5 dB, Strümpler 46.7 dB, NIF 47.5 dB) occur on smooth or small pictures alone. Every system searches for the
PSNR with networks of its own form and fits of effort 4, each search as long as it takes; a point that is not reached is
a record of its failure.
"""

from collections.abc import Sequence

import numpy as np

from experiments.history import LABELS, RESULTS, systems
from experiments.smoke import PICTURES as SMALL
from inrc.baselines.interface import Pixels
from inrc.evaluate.experiment import Experiment
from inrc.evaluate.ours import inrc_codec
from inrc.evaluate.pictures import kodak
from inrc.evaluate.records import Record, load
from inrc.evaluate.tables import Table, to_markdown

SIDE = 128
TOP, LEFT = 320, 0
TARGETS = (22.5, 30.0, 40.0, 46.7)


def background(pixels: Pixels) -> Pixels:
    """A smooth part of kodim23; of a smaller picture, what there is of it from the corner on."""
    top, left = (start if start + SIDE <= n else 0 for start, n in zip((TOP, LEFT), pixels.shape[:2], strict=True))
    return np.ascontiguousarray(pixels[top : top + SIDE, left : left + SIDE])


def codecs(effort: int, targets: tuple[float, ...]):
    """All systems and the default codec at PSNRs."""
    return tuple(
        inrc_codec(
            name,
            targets,
            at="target_psnr",
            prepare=background,
            reference=background,
            shape=(SIDE, SIDE),
            codec="auto" if name == "inrc" else name,
            effort=effort,
        )
        for name in (*systems(), "inrc")
    )


EXPERIMENT = Experiment("history_speed", kodak(23), codecs(4, TARGETS), results="history_speed")
SMOKE = Experiment("history_speed smoke", SMALL, codecs(1, (20.0,)), results="history_speed")


def table(records: Sequence[Record]) -> Table:
    """Returns seconds and bytes by system and PSNR."""
    rows = []
    for name in dict.fromkeys(record.codec for record in records):
        cells = [LABELS.get(name, f"`{name}`")]
        for target in TARGETS:
            own = [r for r in records if (r.codec, r.point) == (name, target) and not r.failure]
            cells += [f"{own[0].encode_seconds:.1f}", f"{own[0].n_bytes:,}"] if own else ["", ""]
        rows.append(tuple(cells))
    header = ("system", *(title for target in TARGETS for title in (f"{target} dB: s", "bytes")))
    return Table(f"Seconds and bytes to a PSNR, {SIDE}x{SIDE} pixels of background", header, tuple(rows))


def main() -> None:
    print(to_markdown(table(load(RESULTS / "history_speed.jsonl"))))


if __name__ == "__main__":
    main()
