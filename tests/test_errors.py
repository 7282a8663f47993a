"""The families of errors that callers catch."""

import inspect

import pytest

from inrc import errors

IMAGE = {"UnreadableImageError", "UnsupportedImageError", "ImageTooLargeError", "UnwritableImageError"}
FORMAT = {
    "NotInrFileError",
    "UnsupportedVersionError",
    "TruncatedFileError",
    "CorruptFileError",
    "LimitExceededError",
}


def family(base: type[errors.InrcError]) -> set[str]:
    return {name for name, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, base)}


def test_every_error_is_caught_as_inrc_error():
    assert family(errors.InrcError) == {name for name, _ in inspect.getmembers(errors, inspect.isclass)}


def test_families():
    assert family(errors.ImageError) == IMAGE | {"ImageError"}
    assert family(errors.FormatError) == FORMAT | {"FormatError"}


def test_a_wrong_setting_is_also_a_value_error():
    with pytest.raises(ValueError, match="step is 0"):
        raise errors.ConfigError("step is 0; it must be positive")
