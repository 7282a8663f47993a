"""Rows of a picture at each stage of its task."""

import hashlib
import math

from inrc.codec.stats import Encoded
from inrc.dataset.items import Item
from inrc.dataset.rows import row_of_encoded, row_of_failure, row_of_task, with_input
from inrc.dataset.tasks import EncodeTask
from inrc.errors import ConfigError
from tests.dataset.samples import FakeEncoder, picture

TASK = EncodeTask(Item("a.png", "/in/a.png", "stamp"), "a.inr", "hash")


def encoded() -> Encoded:
    encoder = FakeEncoder()
    (file,) = encoder.finish(encoder.fit([encoder.prepare(picture(3))]))
    assert isinstance(file, Encoded)
    return file


def test_a_row_holds_the_task_the_input_and_the_file():
    file = encoded()
    row = row_of_encoded(with_input(row_of_task(TASK), b"input"), file, ssim=0.5)
    assert (row.name, row.status, row.stamp, row.config_hash, row.output) == ("a.png", "ok", "stamp", "hash", "a.inr")
    assert (row.input_hash, row.input_bytes) == (hashlib.sha256(b"input").hexdigest(), 5)
    assert (row.output_hash, row.n_bytes) == (hashlib.sha256(file.data).hexdigest(), len(file.data))
    assert (row.width, row.height, row.channels, row.bit_depth) == (8, 6, 3, 8)
    assert (row.codec, row.init, row.ssim) == ("fake", "", 0.5)
    assert row.finished_at.endswith("Z")


def test_a_failure_keeps_the_input_and_loses_the_file():
    row = row_of_encoded(with_input(row_of_task(TASK), b"input"), encoded(), ssim=0.5)
    failure = row_of_failure(row, ConfigError("two\nlines"))
    assert (failure.status, failure.message) == ("ConfigError", "two lines")
    assert (failure.name, failure.stamp, failure.input_bytes, failure.config_hash) == ("a.png", "stamp", 5, "hash")
    assert (failure.output, failure.n_bytes, failure.codec) == ("", 0, "")
    assert math.isnan(failure.ssim)
