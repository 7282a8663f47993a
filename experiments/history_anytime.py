"""PSNR against encode seconds at equal bytes, all systems in one run: how soon each has what it will have.

Command: inrc evaluate experiments/history_anytime.py, then python -m experiments.history_anytime, which draws
docs/figures/history_anytime.png. Cost: 45 minutes of two cores. A run that was stopped resumes.
Expected: latent grids lead at every number of seconds; the published trainings gain most from long fits.
"""

from pathlib import Path

from experiments.history import LABELS, RESULTS, systems
from experiments.smoke import PICTURES as SMALL
from inrc.evaluate import drawing
from inrc.evaluate.experiment import Experiment
from inrc.evaluate.ours import inrc_codec
from inrc.evaluate.pictures import kodak
from inrc.evaluate.records import Record, load

BPP = 0.3
FIGURE = Path(__file__).parent.parent / "docs" / "figures"
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#666666")


def codecs(efforts: tuple[float, ...], bpp: float):
    """All systems and the default codec, at several efforts and one rate."""
    return tuple(
        inrc_codec(name, efforts, at="effort", codec="auto" if name == "inrc" else name, target_bpp=bpp)
        for name in (*systems(), "inrc")
    )


EXPERIMENT = Experiment("history_anytime", kodak(15), codecs((1, 2, 4), BPP), results="history_anytime")
SMOKE = Experiment("history_anytime smoke", SMALL, codecs((1,), 1.0), results="history_anytime")


def lines(records: list[Record]) -> dict[str, list[tuple[float, float]]]:
    """(seconds, PSNR in dB) of every system, by rising seconds.

    A low effort whose search took longer than that of a higher one, for less PSNR, is left out.
    """
    found: dict[str, list[tuple[float, float]]] = {}
    for record in sorted(records, key=lambda record: record.encode_seconds):
        points = found.setdefault(record.codec, [])
        if not points or record.psnr_db > points[-1][1]:
            points.append((record.encode_seconds, record.psnr_db))
    return found


def figure(records: list[Record]):
    """The anytime figure."""
    with drawing.style():
        whole, axes = drawing.new_axes(f"PSNR against encode seconds, at most {BPP} bpp, {records[0].picture}")
        ends, heights, seconds = [], [], []
        for i, (name, points) in enumerate(lines(records).items()):
            is_ours = name == "inrc"
            look = drawing.Look(
                LABELS.get(name, name).strip("*"),
                "#000000" if is_ours else _COLOURS[i % len(_COLOURS)],
                2.5 if is_ours else 1.2,
                "-" if is_ours or i < len(_COLOURS) else "--",
            )
            look.plot(axes, points)
            ends.append((look, points[-1]))
            heights += [psnr for _, psnr in points]
            seconds += [at for at, _ in points]
        drawing.log_axis(axes, min(seconds) / 1.5, max(seconds) * 1.5, "encode, seconds without compilation")
        axes.set_ylabel("PSNR, dB")
        drawing.fit_heights(axes, heights)
        drawing.label_ends(axes, ends)
        return whole


def main() -> None:
    records = [record for record in load(RESULTS / "history_anytime.jsonl") if not record.failure]
    with drawing.style():
        for path in drawing.save(figure(records), FIGURE, "history_anytime"):
            print(path)


if __name__ == "__main__":
    main()
