"""The row of a picture at each stage of its task: when it starts, when its file is encoded, and when it fails."""

import dataclasses
import datetime
import hashlib
from typing import TYPE_CHECKING

from inrc.codec.stats import values_of
from inrc.dataset.manifest import OK, Row
from inrc.dataset.places import without_secrets
from inrc.dataset.tasks import EncodeTask

if TYPE_CHECKING:
    from inrc.codec.stats import Encoded
from inrc.names import one_line

_OF_INPUT = ("name", "stamp", "input_hash", "input_bytes", "config_hash", "finished_at")
"""Fields that a row keeps when its picture fails."""


def row_of_task(task: EncodeTask) -> Row:
    """Returns the row of a picture before it is read: it holds only what the task says."""
    return Row(task.item.name, OK, stamp=task.item.stamp, config_hash=task.config_hash, output=task.output)


def with_input(row: Row, data: bytes) -> Row:
    """Returns the row with hash and size of the bytes of its input."""
    return dataclasses.replace(row, input_hash=hashlib.sha256(data).hexdigest(), input_bytes=len(data))


def row_of_encoded(row: Row, encoded: "Encoded", *, ssim: float) -> Row:
    """Returns the row of a picture whose file is encoded: this is the only place where `EncodeStats` become a row.

    Args:
      row: of the task, with its input.
      encoded: the file and its measurements.
      ssim: of the decoded file; NaN if it was not measured.
    """
    stats = encoded.stats
    return dataclasses.replace(
        with_time(row),
        output_hash=hashlib.sha256(encoded.data).hexdigest(),
        psnr_db=stats.psnr_db,
        ssim=ssim,
        seconds=stats.encode_seconds,
        n_steps=stats.n_steps,
        codec=stats.codec,
        **{**values_of(stats), "init": stats.init or ""},  # pyright: ignore[reportArgumentType]
    )


def row_of_failure(row: Row, error: BaseException) -> Row:
    """Returns the row of a picture that failed: it keeps what is known of the input, and holds the error."""
    message = without_secrets(one_line(error)) or type(error).__name__
    of_input = {name: getattr(row, name) for name in _OF_INPUT}
    return Row(**of_input, status=type(error).__name__, message=message)


def with_time(row: Row) -> Row:
    """Returns the row with the present time as the time at which its picture was finished."""
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return dataclasses.replace(row, finished_at=now.replace("+00:00", "Z"))
