"""Bytes from paths, buffers and open files."""

import array
import io
import mmap

import numpy as np
import pytest

from inrc.errors import ConfigError, UnreadableImageError
from inrc.signal.sources import bytes_of

DATA = b"inr and more"


@pytest.mark.parametrize(
    "source",
    [DATA, bytearray(DATA), memoryview(DATA), np.frombuffer(DATA, np.uint8), array.array("B", DATA), io.BytesIO(DATA)],
)
def test_buffers_and_files_give_their_bytes(source):
    assert bytes_of(source) == DATA


def test_paths_and_mapped_files_give_their_bytes(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(DATA)
    assert bytes_of(path) == bytes_of(str(path)) == DATA
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        assert bytes_of(mapped) == DATA


@pytest.mark.parametrize("source", [None, 5, [1, 2], np.zeros((2, 2), np.uint8), np.zeros(3), memoryview(DATA)[::2]])
def test_what_holds_no_bytes_is_refused_by_its_type(source):
    with pytest.raises(ConfigError, match=f"a {type(source).__name__} holds no file"):
        bytes_of(source)


@pytest.mark.parametrize("path", ["", "missing", ".", "a\0b"])
def test_paths_that_cannot_be_read_are_an_error(path):
    with pytest.raises(UnreadableImageError, match="check the path"):
        bytes_of(path)
