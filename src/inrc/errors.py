"""The typed errors of the package: every failure that a user can cause raises one of them.

A message is one line that states the value, the limit and the remedy. Code that calls inrc can catch `InrcError` for
all of them, or one of the classes below it.
"""


class InrcError(Exception):
    """Base class of all errors that inrc raises on purpose."""


# Pictures in files -----------------------------------------------------------------------------------------------


class ImageError(InrcError):
    """A picture cannot be read, written or used."""


class UnreadableImageError(ImageError):
    """The file is missing, truncated, damaged or not a picture."""


class UnsupportedImageError(ImageError):
    """The picture is of a kind that inrc or the chosen output format cannot hold."""


class ImageTooLargeError(ImageError):
    """The picture has more pixels than the limit allows, according to its header."""


class UnwritableImageError(ImageError):
    """The picture cannot be written to the chosen place."""


# .inr files ------------------------------------------------------------------------------------------------------


class FormatError(InrcError):
    """The bytes are not an .inr file that can be decoded."""


class NotInrFileError(FormatError):
    """The bytes do not begin with the magic number of an .inr file."""


class UnsupportedVersionError(FormatError):
    """The file needs a newer release of inrc than this one."""


class TruncatedFileError(FormatError):
    """The file ends before its last section does."""


class CorruptFileError(FormatError):
    """The file contradicts itself: a checksum, a length or a field is wrong."""


class LimitExceededError(FormatError):
    """The file needs more memory, pixels or parameters than the limits of the decoder allow."""


# Everything else -------------------------------------------------------------------------------------------------


class ConfigError(InrcError, ValueError):
    """A setting has a value outside its range, or two settings contradict each other."""


class InitMismatchError(InrcError):
    """The shared init that a file needs is missing, or a different one was given."""


class ForkedProcessError(InrcError, RuntimeError):
    """The process was forked from one that had started JAX's threads, for which it would wait for ever."""


class CheckpointMismatchError(InrcError):
    """A checkpoint was written under another configuration than the one that should resume from it."""


class TargetNotReachedError(InrcError):
    """The target quality or size was not reached within the budget."""


class OverlapError(InrcError):
    """Two rate-quality curves overlap too little for an average difference."""


class DesktopError(InrcError):
    """The desktop of this user cannot be told about `.inr` files."""


# Experiments -----------------------------------------------------------------------------------------------------


class MissingDataError(InrcError):
    """The pictures of an experiment are missing from their folder."""


class RecordError(InrcError):
    """A file of records is missing, damaged or in use."""


class ExperimentError(InrcError):
    """A file is not an experiment, or its values contradict each other."""


# Datasets --------------------------------------------------------------------------------------------------------


class DatasetError(InrcError):
    """A folder, list, archive or shard of many pictures cannot be used."""


class NameCollisionError(DatasetError):
    """Two inputs of a dataset would be written under one name."""


class UnsafeNameError(DatasetError):
    """A name in an archive leads out of the folder that the entry would be written to."""


class WorkerLostError(DatasetError):
    """The worker process that encoded a picture was lost, several times."""
