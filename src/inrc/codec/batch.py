"""Many pictures at once: planned one by one, fitted side by side, rounded and coded one by one."""

import dataclasses
from collections.abc import Callable, Hashable, Sequence
from typing import Unpack

import numpy as np

from inrc.codec import encode as single
from inrc.codec.encode import Encoded
from inrc.codec.options import EncodeKeywords, EncodeOptions
from inrc.errors import InrcError
from inrc.fit.config import Progress
from inrc.signal.image import Image, ImageSource, read_image


@dataclasses.dataclass(frozen=True, eq=False)
class Prepared:
    """A picture that is ready to be fitted.

    Attributes:
      image: the picture.
      bucket: pictures of one bucket are fitted side by side by one compiled program.
    """

    image: Image
    bucket: Hashable


@dataclasses.dataclass(frozen=True, eq=False)
class Fitted:
    """A batch that has been fitted; `BatchEncoder.finish` makes files of it."""

    batch: tuple[Prepared, ...]
    outcomes: tuple[Encoded | InrcError, ...]


class BatchEncoder:
    """Encodes batches in three stages, which may run in threads of their own.

    `prepare` and `finish` are work of the host and may run for several pictures or batches at once; `fit` keeps the
    devices busy and should run for one batch after the other.
    """

    def __init__(
        self, options: EncodeOptions | None = None, *, batch_size: int | None = None, **keywords: Unpack[EncodeKeywords]
    ) -> None:
        self.options = dataclasses.replace(EncodeOptions() if options is None else options, **keywords)
        self._batch_size = batch_size

    def prepare(self, image: Image | np.ndarray | ImageSource) -> Prepared:
        """Reads a picture and plans its fit.

        Raises:
          ImageError: The picture cannot be read or is of a kind that inrc does not hold.
          ConfigError: The options contradict the picture.
        """
        if isinstance(image, np.ndarray):
            image = Image(image)
        elif not isinstance(image, Image):
            image = read_image(image)
        return Prepared(image, image.pixels.shape)

    def batch_size(self, prepared: Prepared) -> int:
        """Pictures of the bucket of `prepared` that are fitted side by side."""
        return self._batch_size or 1

    def fit(self, batch: Sequence[Prepared], *, progress: Callable[[Progress], None] | None = None) -> Fitted:
        """Fits pictures of one bucket, at most `batch_size` of them.

        `progress` may raise KeyboardInterrupt: the best so far is kept.
        """
        outcomes = []
        for prepared in batch:
            try:
                outcomes.append(single.encode(prepared.image, self.options, progress=progress))
            except InrcError as error:
                outcomes.append(error)
        return Fitted(tuple(batch), tuple(outcomes))

    def finish(self, fitted: Fitted) -> list[Encoded | InrcError]:
        """The files of a batch, in its order, each already decoded once; an error where one came to none."""
        return list(fitted.outcomes)
