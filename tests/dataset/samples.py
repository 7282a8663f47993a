"""Tiny pictures of all kinds, options of an encode that takes milliseconds, and a fake encoder."""

import dataclasses
import threading
from collections.abc import Hashable, Sequence
from pathlib import Path

import numpy as np

from inrc.codec.batch import BatchEncoder, FittedBatch, Prepared
from inrc.codec.job import Job
from inrc.codec.options import EncodeOptions
from inrc.codec.stats import Encoded, EncodeStats
from inrc.config import EncodingConfig, EncodingKind, ModelConfig
from inrc.dataset.tasks import RunOptions
from inrc.errors import InrcError
from inrc.fit.coordinate.config import CoordinateFitConfig
from inrc.fit.optimiser import OptimiserConfig
from inrc.signal.image import Image, encode_image

ENCODE = EncodeOptions(
    init="none",
    model=ModelConfig(widths=(4,), encoding=EncodingConfig(EncodingKind.NERF, 2)),
    fit=CoordinateFitConfig(
        n_passes=4,
        phase_factor=1,
        steps_per_group=4,
        groups_per_chunk=1,
        optimiser=OptimiserConfig(preconditioned=False),
    ),
)
OPTIONS = RunOptions(ENCODE)


def picture(seed: int, height: int = 6, width: int = 8, channels: int = 3, bit_depth: int = 8) -> Image:
    """Returns noise."""
    rng = np.random.default_rng(seed)
    return Image(rng.integers(0, 1 << bit_depth, (height, width, channels), f"uint{bit_depth}"))


def png(seed: int, *shape: int) -> bytes:
    return encode_image(picture(seed, *shape), "png")


def write(folder: Path, n: int, first: int = 0) -> None:
    """Writes pictures 000.png, 001.png and so on, every third of them in a folder below."""
    for seed in range(first, first + n):
        path = folder / ("below" if seed % 3 == 2 else "") / f"{seed:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(seed))


def ignore(_: object) -> None:
    """Ignores rows."""


@dataclasses.dataclass(frozen=True, eq=False)
class FakeBatch(FittedBatch):
    """A batch of the fake encoder, whose files are there after the fit."""

    files: tuple[Encoded, ...] = ()


def prepared(image: Image, bucket: Hashable) -> Prepared:
    """A picture for encoders that fit nothing."""
    job = Job(image, ENCODE, None, None)
    return Prepared(job, job.first_plan(), bucket, 0.0)


class FakeEncoder(BatchEncoder):
    """Counts batches instead of fitting them. A file holds its picture's first sample; a first sample of 13 fails."""

    def __init__(self, size: int = 4) -> None:
        super().__init__(ENCODE)
        self.size = size
        self.lock = threading.Lock()
        self.batches: list[int] = []
        self.n_in_flight = self.most_in_flight = 0

    def prepare(self, image) -> Prepared:
        assert isinstance(image, Image)
        with self.lock:
            self.n_in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self.n_in_flight)
        return prepared(image, image.pixels.shape)

    def batch_size(self, prepared: Prepared) -> int:
        return self.size

    def fit(self, batch: Sequence[Prepared], *, progress=None) -> FakeBatch:
        assert len({prepared.bucket for prepared in batch}) == 1
        assert len(batch) <= self.size
        self.batches.append(len(batch))
        if any(prepared.image.pixels.flat[0] == 13 for prepared in batch):
            raise RuntimeError("the device is out of memory")
        return FakeBatch((), tuple(self._encoded(prepared.image) for prepared in batch))

    def finish(self, fitted: FittedBatch) -> list[Encoded | InrcError]:
        assert isinstance(fitted, FakeBatch)
        with self.lock:
            self.n_in_flight -= len(fitted.files)
        return list(fitted.files)

    def _encoded(self, image: Image) -> Encoded:
        data = b"first sample %d" % image.pixels.flat[0]
        values = {field.name: 0 for field in dataclasses.fields(EncodeStats)}
        shape = {"width": image.width, "height": image.height, "channels": image.channels, "bit_depth": 8}
        words = {"codec": "fake", "init": None, "interrupted": False, "is_full_quality": False}
        return Encoded(data, EncodeStats(**{**values, **shape, **words, "n_bytes": len(data)}))  # pyright: ignore
