"""What a run encodes and how: one task for every picture, and the options that all tasks share. Plain values."""

import dataclasses

from inrc.checks import checked_number
from inrc.codec.options import EncodeOptions
from inrc.dataset.items import Item
from inrc.dataset.manifest import Row


@dataclasses.dataclass(frozen=True)
class RunOptions:
    """How a dataset is encoded.

    Attributes:
      encode: the options of every encode.
      batch_size: the number of pictures that are fitted side by side; chosen from the device's memory if not given.
      images_per_shard: the number of files in a tar shard; 0 writes a file of its own for every picture.
      n_readers: the number of threads that read and prepare pictures.
      memory_bytes: the memory that the pictures in flight may take.
      measure_ssim: whether SSIM is measured, for which every file is decoded once more.
      again: whether pictures that failed before are tried again.

    Raises:
      ConfigError: A number is not whole, or below its minimum.
    """

    encode: EncodeOptions = dataclasses.field(default_factory=EncodeOptions)
    batch_size: int | None = None
    images_per_shard: int = 0
    n_readers: int = 2
    memory_bytes: int = 1 << 30
    measure_ssim: bool = True
    again: bool = False

    def __post_init__(self) -> None:
        for name, minimum in (("batch_size", 1), ("images_per_shard", 0), ("n_readers", 1), ("memory_bytes", 1)):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, checked_number(name, value, minimum, whole=True))


@dataclasses.dataclass(frozen=True, slots=True)
class EncodeTask:
    """One picture to encode.

    Attributes:
      item: the picture.
      output: path of its file below the folder of outputs.
      config_hash: hash of all settings that decide the bytes of the file.
      former: the row of an earlier run. Its file is still good if the bytes of the input have the hash of that row.
    """

    item: Item
    output: str
    config_hash: str
    former: Row | None = None
