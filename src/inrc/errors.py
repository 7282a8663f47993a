"""The typed errors of the package: every failure that a user can cause is one of these.

A message is one line and states the value, the limit and the remedy. Code that calls inrc can catch
`InrcError` for everything, or one of the families below it.
"""


class InrcError(Exception):
    """Any failure that inrc reports on purpose."""


# Pictures that are read and written ------------------------------------------------------------------------------


class ImageError(InrcError):
    """A picture cannot be read, written or used."""


class UnreadableImageError(ImageError):
    """The picture is missing, truncated, damaged or not a picture at all."""


class UnsupportedImageError(ImageError):
    """The picture is sound, but of a kind that inrc or the chosen output format cannot hold."""


class ImageTooLargeError(ImageError):
    """The picture's header announces more pixels than the limit allows."""


class UnwritableImageError(ImageError):
    """The picture cannot be written to that place."""


# Bytes that claim to be an .inr file -----------------------------------------------------------------------------


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
    """The file asks for more memory, pixels or parameters than a decoder may spend."""


# Everything else -------------------------------------------------------------------------------------------------


class ConfigError(InrcError, ValueError):
    """A setting has a value outside its range, or two settings contradict each other."""


class InitMismatchError(InrcError):
    """The shared init that a file needs is missing, or is not the one that the file was made with."""


class CheckpointMismatchError(InrcError):
    """A checkpoint belongs to another configuration than the one that should resume from it."""


class TargetNotReachedError(InrcError):
    """The asked-for quality or size was not reached within the budget."""


class OverlapError(InrcError):
    """Two rate-quality curves have too little in common for an average difference."""


# Experiments -----------------------------------------------------------------------------------------------------


class MissingDataError(InrcError):
    """The pictures of an experiment are not where they were looked for."""


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
    """An entry of an archive has a name that leads out of the folder that it would be written to."""


class WorkerLostError(DatasetError):
    """The process that encoded a picture was lost, again and again."""
