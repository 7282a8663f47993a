"""Runs an experiment: every point without a record is encoded, written, read back, decoded and measured."""

import dataclasses
import datetime
import functools
import importlib.metadata
import math
import os
import platform
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from inrc.baselines.classical import library_versions
from inrc.baselines.interface import Encoding, MeasuredCodec, Pixels
from inrc.errors import UnsupportedImageError
from inrc.evaluate import records
from inrc.evaluate.experiment import Experiment
from inrc.evaluate.records import Record
from inrc.metrics import ms_ssim, mse, psnr_db, ssim
from inrc.metrics.lpips import load_lpips, lpips, lpips_path
from inrc.signal.image import read_image


@dataclasses.dataclass(frozen=True)
class Measurement:
    """One point of one codec on one picture: the record to fill in, the codec and the pixels."""

    record: Record
    codec: MeasuredCodec
    pixels: Pixels


def run_experiment(
    experiment: Experiment,
    *,
    results: Path,
    files: Path,
    pictures: Path | None = None,
    again: bool = False,
    remake: bool = False,
    progress: Callable[[Record, int, int], None] | None = None,
) -> list[Record]:
    """Measures all points of an experiment that have no record yet.

    A run that is killed loses only the point that it was measuring. A point that fails becomes a record of its failure.

    Args:
      experiment: what to measure.
      results: folder of the file of records.
      files: folder in which the files of the codecs are kept.
      pictures: folder of the pictures; the one that the experiment names if not given.
      again: whether points that failed before are measured again.
      remake: whether points whose file is no longer there are measured again.
      progress: called with (record, points done, points of this run) after every point.

    Returns:
      All records of the experiment, those of earlier runs included, in the order of its pictures and codecs.

    Raises:
      MissingDataError: The pictures are not there.
      RecordError: The file of records is damaged, or another run holds it.
    """
    path = results / f"{experiment.results}.jsonl"
    files.mkdir(parents=True, exist_ok=True)
    with records.exclusive(path):
        by_key = {record.key: record for record in records.load(path)}
        measurements = list(_measurements(experiment, pictures))
        kept_files = files if remake else None
        missing = [each for each in measurements if _is_missing(by_key.get(each.record.key), again, kept_files)]
        for n_done, measurement in enumerate(missing, start=1):
            record = measure(measurement, files)
            records.append(path, record)
            by_key[record.key] = record
            if progress is not None:
                progress(record, n_done, len(missing))
    return [by_key[measurement.record.key] for measurement in measurements]


def _is_missing(record: Record | None, again: bool, files: Path | None) -> bool:
    if record is None:
        return True
    return again if record.failure else files is not None and not (files / record.file_name).is_file()


def _measurements(experiment: Experiment, folder: Path | None) -> Iterator[Measurement]:
    for path in experiment.pictures.paths(folder):
        pixels = read_image(path).pixels
        if pixels.dtype != np.uint8 or pixels.shape[2] not in (1, 3):
            raise UnsupportedImageError(
                f"{path}: pixels are {pixels.dtype} {pixels.shape}; experiments take 8-bit gray or RGB"
            )
        identity = records.pixels_digest(pixels)
        for codec in experiment.codecs:
            for point in codec.points:
                settings = dict(codec.settings(point))
                record = Record(
                    picture=path.stem,
                    picture_digest=identity,
                    width=pixels.shape[1],
                    height=pixels.shape[0],
                    codec=codec.name,
                    point=point,
                    settings=settings,
                    settings_digest=records.settings_digest(settings),
                    device=_device(),
                    versions=_versions(),
                    commit=_commit(),
                )
                yield Measurement(record, codec, pixels)


def measure(measurement: Measurement, files: Path) -> Record:
    """Measures one point: its file is written to the folder `files` and decoded from there."""
    record, codec = measurement.record, measurement.codec
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    record = dataclasses.replace(record, measured_at=now, extension=codec.extension)
    try:
        return _measure(record, codec, measurement.pixels, files)
    except Exception as error:  # a codec that fails must not keep other points from being measured
        message = " ".join(f"{type(error).__name__}: {error}".split())
        return dataclasses.replace(record, failure=message[:500])


def _measure(record: Record, codec: MeasuredCodec, pixels: Pixels, files: Path) -> Record:
    began, cpu_began = time.perf_counter(), time.process_time()
    encoding = codec.encode(pixels, record.point)
    seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - cpu_began
    if isinstance(encoding, bytes):
        encoding = Encoding(encoding)
    if encoding.seconds is not None:
        seconds = encoding.seconds
    if encoding.cpu_seconds is not None:
        cpu_seconds = encoding.cpu_seconds
    record = dataclasses.replace(record, file_digest=records.digest(encoding.data))
    path = files / record.file_name
    path.write_bytes(encoding.data)
    data = path.read_bytes()
    _, first_seconds = _decode(codec, data)
    decoded, decode_seconds = _decode(codec, data)
    reference = codec.reference(pixels)
    return dataclasses.replace(
        record,
        n_bytes=len(encoding.data),
        bpp=8 * len(encoding.data) / (reference.shape[0] * reference.shape[1]),
        mse=mse(reference, decoded),
        psnr_db=psnr_db(reference, decoded),
        ssim=ssim(reference, decoded),
        ms_ssim=ms_ssim(reference, decoded),
        lpips=_lpips(reference, decoded),
        encode_seconds=seconds - encoding.compile_seconds,
        decode_seconds=decode_seconds,
        encode_compile_seconds=encoding.compile_seconds,
        decode_compile_seconds=max(0.0, first_seconds - decode_seconds),
        encode_cpu_seconds=cpu_seconds,
        details=dict(encoding.details),
        trace=tuple(encoding.trace),
    )


def _decode(codec: MeasuredCodec, data: bytes) -> tuple[Pixels, float]:
    """Returns the pixels of a file and the seconds of decoding it."""
    began = time.perf_counter()
    pixels = codec.decode(data)
    return pixels, time.perf_counter() - began


def _lpips(reference: Pixels, decoded: Pixels) -> float:
    path = lpips_path()
    if path is None or reference.shape[2] != 3:
        return math.nan
    return lpips(_lpips_weights(path), reference, decoded)


_lpips_weights = functools.cache(load_lpips)


@functools.cache
def _versions() -> dict[str, str]:
    packages = ("inrc", "jax", "jaxlib", "flax", "optax", "numpy", "constriction")
    return {name: importlib.metadata.version(name) for name in packages} | library_versions()


@functools.cache
def _device() -> str:
    import jax

    device = jax.devices()[0]
    if device.platform == "cpu":
        return f"{os.cpu_count()} x {platform.machine()} core"
    return f"{jax.device_count()} x {device.device_kind}"


@functools.cache
def _commit() -> str:
    """Returns the commit of this source tree, followed by a + if it has changes; empty outside of a repository."""

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(Path(__file__).parent), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        changed = git("status", "--porcelain", "--untracked-files=no")
        return git("rev-parse", "--short=10", "HEAD") + ("+" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return ""
