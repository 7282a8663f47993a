"""Records: one line of JSON per picture, codec and point, in files that survive any interruption."""

import dataclasses
import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from inrc import json_lines
from inrc.errors import RecordError
from inrc.json_lines import exclusive as exclusive

DEFAULT_ANCHOR = "jpeg_444"
"""Name of the codec that BD-rates refer to where no other codec is named."""

Key = tuple[str, str, str]
"""What a record measures: digest of the picture's pixels, name of the codec, digest of its settings."""


@dataclasses.dataclass(frozen=True)
class Record:
    """A measurement of one codec on one picture at one point. Quality is measured on the decoded 8-bit picture.

    Attributes:
      picture: name of the picture.
      picture_digest: digest of its pixels.
      width, height: its size in pixels.
      codec: name of the codec.
      point: the point on the codec's curve, such as a quality.
      settings: all settings that decide the bytes of the file.
      settings_digest: digest of `settings`.
      failure: type and message of the error that ended the measurement; empty for a success. Only then do the following
        fields hold.
      n_bytes: size of the file.
      bpp: 8 n_bytes over the pixels of the reference.
      mse: mean squared error over pixels and channels, as a fraction of the squared range.
      psnr_db: PSNR of the mse; infinite for an exact copy.
      ssim, ms_ssim: means over channels.
      lpips: LPIPS; NaN where its weights are not at hand.
      encode_seconds, decode_seconds: wall-clock time without compilation.
      encode_compile_seconds, decode_compile_seconds: time of compilation.
      encode_cpu_seconds: processor time of the encoder over all cores, with compilation.
      file_digest: digest of the file's bytes.
      extension: suffix of the file's name.
      details: further JSON values that the codec gives.
      trace: (seconds, estimated PSNR in dB, estimated bpp) during the fit.
      device, versions, commit: the machine and the software. A commit that ends in + had changes that were not
        committed.
      measured_at: time of the measurement in UTC, ISO 8601.
    """

    picture: str
    picture_digest: str
    width: int
    height: int
    codec: str
    point: float
    settings: Mapping[str, Any]
    settings_digest: str
    failure: str = ""
    n_bytes: int = 0
    bpp: float = math.nan
    mse: float = math.nan
    psnr_db: float = math.nan
    ssim: float = math.nan
    ms_ssim: float = math.nan
    lpips: float = math.nan
    encode_seconds: float = math.nan
    decode_seconds: float = math.nan
    encode_compile_seconds: float = 0.0
    decode_compile_seconds: float = 0.0
    encode_cpu_seconds: float = math.nan
    file_digest: str = ""
    extension: str = ""
    details: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    trace: tuple[tuple[float, float, float], ...] = ()
    device: str = ""
    versions: Mapping[str, str] = dataclasses.field(default_factory=dict)
    commit: str = ""
    measured_at: str = ""

    @property
    def key(self) -> Key:
        """What the record measures; the records of a file have different keys."""
        return self.picture_digest, self.codec, self.settings_digest

    @property
    def is_ours(self) -> bool:
        """Whether the file is an .inr file."""
        return self.extension == "inr"

    @property
    def file_name(self) -> str:
        """Name of the file in the folder of files that a run keeps."""
        return f"{self.picture}-{self.file_digest}.{self.extension}"


def digest(content: bytes) -> str:
    """Returns the first 16 hexadecimal digits of the SHA-256 of `content`."""
    return hashlib.sha256(content).hexdigest()[:16]


def pixels_digest(pixels: np.ndarray) -> str:
    """Returns the digest of a picture's shape and samples."""
    return digest(np.array(pixels.shape, "<i8").tobytes() + pixels.tobytes())


def settings_digest(settings: Mapping[str, Any]) -> str:
    """Returns the digest of settings, which is the same for any order of their names."""
    return digest(json.dumps(settings, sort_keys=True, allow_nan=False).encode())


def to_json(record: Record) -> str:
    """Returns one line of JSON. An infinite PSNR becomes "inf", and what was not measured becomes null."""
    values = dataclasses.asdict(record)
    for name, value in values.items():
        if isinstance(value, float):
            values[name] = json_lines.number_to_json(value)
    # These are estimates: five digits are enough, and keep lines short.
    values["trace"] = [[float(f"{x:.5g}") for x in row] for row in record.trace]
    return json.dumps(values, allow_nan=False)


def from_json(line: str) -> Record:
    """Returns the record that a line holds.

    Raises:
      RecordError: The line is no record.
    """
    try:
        values = json.loads(line)
        floats = {field.name for field in dataclasses.fields(Record) if field.type is float}
        for name in floats & values.keys():
            values[name] = json_lines.number_from_json(values[name])
        values["trace"] = tuple(tuple(row) for row in values.get("trace", ()))
        return Record(**values)
    except (ValueError, TypeError, AttributeError) as error:
        raise RecordError(f"a line is no record ({error}): {line[:80]!r}") from error


def load(path: Path) -> list[Record]:
    """Loads all records of a file, in its order; none where there is no file.

    A last line without an end is left by a killed process: it is ignored here, and the next `append` removes it.

    Raises:
      RecordError: Another line is no record; the message names the line.
    """
    records = []
    for number, line in enumerate(json_lines.lines_of(path), start=1):
        try:
            records.append(from_json(line.decode()))
        except (RecordError, UnicodeDecodeError) as error:
            raise RecordError(f"{path}:{number}: {error}; repair the line or remove it") from error
    return records


def load_all(paths: Iterable[Path]) -> list[Record]:
    """Loads the current records of several files: for every codec and point those with its newest settings.

    A preset that changes leaves its former records in the file. The newest settings are those of the last line.

    Raises:
      RecordError: A file is missing, or a line is no record.
    """
    by_key: dict[Key, Record] = {}
    for path in paths:
        if not path.exists():
            raise RecordError(f"there is no file {path}; run its experiment first")
        by_key |= {record.key: record for record in load(path)}
    newest = {(record.codec, record.point): record.settings_digest for record in by_key.values()}
    return [record for record in by_key.values() if newest[record.codec, record.point] == record.settings_digest]


def append(path: Path, record: Record) -> None:
    """Adds a record, which is on disk when this returns. A torn line that a killed process left is removed first."""
    json_lines.append(path, [to_json(record)])
