"""Hash tables as an image codec: the rate-distortion curve of `hash-grid`, and what entropy-coding its weights brings.

Command: INRC_KODAK=FOLDER inrc evaluate experiments/hash_grid.py, then python -m experiments.hash_grid for the table.
Cost: 4 fits of 2,240 steps, 8 minutes of one busy core. A run that was stopped resumes.
Expected: 27.2 dB at 0.073 bpp to 32.6 at 0.673. Files take 34 to 46 % of the same integers in whole bytes, 51 to 66 %
of these with as many bits as the range of their matrix needs, and 17 to 23 % of binary16 numbers.
"""

import dataclasses
import math
from pathlib import Path

import numpy as np

from experiments.smoke import PICTURES as SMALL
from inrc.baselines.interface import Encoding, MeasuredCodec, Pixels
from inrc.bitstream.limits import DecodeLimits
from inrc.codec import file as files
from inrc.entropy import coder
from inrc.evaluate.experiment import Experiment
from inrc.evaluate.ours import inrc_codec
from inrc.evaluate.pictures import kodak
from inrc.evaluate.records import Record, load
from inrc.layout import is_table

QUALITIES = (20.0, 40.0, 60.0, 80.0)
FOLDER = Path(__file__).parent


def storage_bytes(data: bytes) -> dict[str, float]:
    """Returns what a file's integers would take without an entropy coder, and what its tables take with it, in bytes.

    Files with whole bytes for weights have the same header. Those with the fewest bits that a matrix's range allows
    have two bytes more for each matrix: its number of bits and its least integer.
    """
    file = files.unpack(data, DecodeLimits())
    integers = file.weights.integers
    names = [name for name, _ in files.layout_of(file.header)]
    header = files.overhead(file.header)
    n_weights = sum(matrix.size for matrix in integers)
    range_bits = (matrix.size * math.ceil(math.log2(int(np.ptp(matrix)) + 1)) for matrix in integers)
    tables = [matrix for name, matrix in zip(names, integers, strict=True) if is_table(name)]
    return {
        "half_bytes": header + 2 * n_weights,
        "byte_bytes": header + n_weights,
        "range_bytes": header + 2 * len(integers) + math.ceil(sum(range_bits) / 8),
        "table_bytes": coder.ideal_bits((), tables) / 8,
        "n_in_tables": sum(table.size for table in tables),
        "zeros_in_tables": sum(int(np.count_nonzero(table == 0)) for table in tables),
    }


def with_storage(codec: MeasuredCodec) -> MeasuredCodec:
    """Returns the codec with `storage_bytes` among the details of its records."""

    def encode(pixels: Pixels, point: float) -> Encoding:
        encoding = codec.encode(pixels, point)
        assert isinstance(encoding, Encoding)
        return dataclasses.replace(encoding, details={**encoding.details, **storage_bytes(encoding.data)})

    return dataclasses.replace(codec, encode=encode)


def codec(name: str, qualities: tuple[float, ...], effort: int) -> MeasuredCodec:
    return with_storage(inrc_codec(name, qualities, codec="hash-grid", effort=effort))


EXPERIMENT = Experiment("hash_grid", kodak(15), (codec("hash-grid", QUALITIES, 5),), results="hash_grid")
SMOKE = Experiment("hash_grid smoke", SMALL, (codec("smoke", (40.0,), 1),), results="hash_grid")


def table(records: list[Record]) -> str:
    """Returns a table in Markdown: a row for every file."""
    titles = (
        "picture", "quality", "weights", "in tables", "bpp", "PSNR, dB", "file, bytes", "8 bits", "bits by range",
        "binary16", "bits a number of a table", "zeros in tables, %", "encode, s",
    )  # fmt: skip
    lines = [f"| {' | '.join(titles)} |", "|---" + "|---:" * (len(titles) - 1) + "|"]
    for record in sorted(records, key=lambda record: (record.picture, record.bpp)):
        details = record.details
        n_in_tables = details["n_in_tables"]
        sizes = (f"{details[name]:,}" for name in ("byte_bytes", "range_bytes", "half_bytes"))
        cells = (
            record.picture,
            f"{record.point:g}",
            f"{details['n_weights']:,}",
            f"{n_in_tables:,}",
            f"{record.bpp:.4f}",
            f"{record.psnr_db:.2f}",
            f"{record.n_bytes:,}",
            *sizes,
            f"{8 * details['table_bytes'] / n_in_tables:.2f}",
            f"{100 * details['zeros_in_tables'] / n_in_tables:.0f}",
            f"{record.encode_seconds:.0f}",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    print(table([record for record in load(FOLDER / "results" / "hash_grid.jsonl") if not record.failure]))


if __name__ == "__main__":
    main()
