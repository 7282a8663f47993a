"""Datasets of `.inr` files for machine learning: decoded at any size, or as the weights themselves.

This module imports nothing of the training stack and no data loader: grain takes a `Dataset` as it is, and so does
PyTorch. Its workers have to be started by spawn, since JAX, which decodes, does not survive the fork that PyTorch uses
by default on Linux. Where accelerators are for training, workers decode on the CPU:

    os.environ["JAX_PLATFORMS"] = "cpu"  # before the workers start; they inherit it
    if __name__ == "__main__":  # of the script, which spawned workers import
        loader = DataLoader(dataset, batch_size=32, num_workers=4, multiprocessing_context="spawn")

Elements need no JAX, so that workers of any kind read them, those forked after their parent has used it, too.
"""

import dataclasses
import functools
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

import numpy as np

from inrc import shared_init
from inrc.bitstream.header import Header
from inrc.bitstream.limits import DecodeLimits
from inrc.checks import checked_choice
from inrc.codec import file as files
from inrc.codec.decode import decode
from inrc.dataset.items import Item, read_item
from inrc.dataset.sources import INR_FILES, list_items
from inrc.errors import ConfigError, InrcError
from inrc.models.view import Antialias
from inrc.shared_init import SharedInit

ElementT = TypeVar("ElementT")

_DEFAULT_LIMITS = DecodeLimits()


class Network(NamedTuple):
    """The content of a file.

    Attributes:
      header: describes the picture and the network.
      params: {name: float32 matrix [out, in (+ 1)]} as the decoder uses them, in the order of the network's layout.
      latents: int32 [height, width] of every grid, in coding order; empty for a coordinate network.
    """

    header: Header
    params: dict[str, np.ndarray]
    latents: tuple[np.ndarray, ...] = ()


@dataclasses.dataclass(frozen=True, eq=False)
class Dataset(Generic[ElementT]):
    """Elements by index, each read and decoded when it is requested. It can be pickled, and used by several threads.

    It is a random-access source for grain, `grain.MapDataset.source(dataset)`, and a map-style dataset for PyTorch; see
    the module's docstring for how to start workers.

    Attributes:
      items: the place of each element.
      decode: turns the bytes of a file into an element.
    """

    items: Sequence[Item]
    decode: Callable[[bytes], ElementT]

    @property
    def names(self) -> list[str]:
        """Relative path of every element."""
        return [item.name for item in self.items]

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> ElementT:
        """Returns one element.

        Raises:
          FormatError: Its file is damaged or exceeds the limits.
          InitMismatchError: Its file needs a shared init that is not there.
          UnreadableImageError: Its file is gone.
          ConfigError: The region does not lie within its picture.
          IndexError: There is no such element.
        """
        item = self.items[index]
        try:
            return self.decode(read_item(item))
        except InrcError as error:
            raise type(error)(f"{item.name}: {error}") from error

    def __iter__(self) -> Iterator[ElementT]:
        return self.iterate()

    def shard(self, index: int, count: int) -> "Dataset[ElementT]":
        """Returns every `count`-th element from `index` on: the share of one host among several.

        Raises:
          ConfigError: The index does not lie in 0..count - 1.
        """
        if not 0 <= index < count:
            raise ConfigError(f"the shard is {index} of {count}; it must lie in 0..{count - 1}")
        return dataclasses.replace(self, items=self.items[index::count])

    def iterate(
        self,
        *,
        seed: int | None = None,
        epoch: int = 0,
        n_threads: int = 2,
        n_ahead: int = 8,
        on_error: Callable[[str, InrcError], None] | None = None,
    ) -> Iterator[ElementT]:
        """Yields all elements once, decoded ahead in threads.

        Args:
          seed: shuffles the elements, the same way on every machine; None keeps the order of names.
          epoch: gives another order for every epoch of a seed.
          n_threads: the number of threads that decode.
          n_ahead: the number of elements that are decoded before they are requested.
          on_error: takes the name and the error of every element that cannot be decoded, which is then left out. If it
            is not given, the first error is raised.

        Raises:
          InrcError: An error of an element, as for an index.
        """
        order: Sequence[int] = range(len(self))
        if seed is not None:
            order = np.random.default_rng((seed, epoch)).permutation(len(self)).tolist()
        ahead: deque[tuple[int, Future[ElementT]]] = deque()
        pool = ThreadPoolExecutor(n_threads, "inrc-loader")
        try:
            remaining = iter(order)
            while True:
                while len(ahead) < max(n_ahead, 1) and (index := next(remaining, None)) is not None:
                    ahead.append((index, pool.submit(self.__getitem__, index)))
                if not ahead:
                    return
                index, future = ahead.popleft()
                try:
                    element = future.result()
                except InrcError as error:
                    if on_error is None:
                        raise
                    on_error(self.items[index].name, error)
                    continue
                yield element
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def open_dataset(
    source: str | os.PathLike[str],
    *,
    size: tuple[int, int] | None = None,
    scale: float | None = None,
    region: tuple[float, float, float, float] | None = None,
    antialias: Antialias | str = Antialias.SUPERSAMPLE,
    init: SharedInit | Path | str | None = None,
    limits: DecodeLimits = _DEFAULT_LIMITS,
) -> Dataset[np.ndarray]:
    """Opens a folder, glob, list or tar shards of `.inr` files as a dataset of pictures.

    An element is what `inrc.decode(data, ...).pixels` returns: [H, W, C], uint8 or uint16, C from 1 to 4. Files of one
    network and size share one compiled program.

    Args:
      source: path or URL of a folder, a .tar file, a .txt list or one file, or a glob.
      size: (width, height) of all elements; native sizes if neither this nor `scale` is given.
      scale: pixels per native pixel.
      region: (x, y, width, height) in native pixels.
      antialias: how to render below native density.
      init: the shared init that files need, as for `inrc.decode`.
      limits: limits of decoding one file.

    Raises:
      DatasetError: There is no such place, or no `.inr` file in it.
      InitMismatchError: There is no such init.
      ConfigError: There is no such way to render.
    """
    antialias = checked_choice("antialias", antialias, Antialias)
    read = functools.partial(
        _pixels, size=size, scale=scale, region=region, antialias=antialias, init=_loaded(init), limits=limits
    )
    return Dataset(list_items(source, INR_FILES), read)


def open_weights(
    source: str | os.PathLike[str],
    *,
    init: SharedInit | Path | str | None = None,
    limits: DecodeLimits = _DEFAULT_LIMITS,
) -> Dataset[Network]:
    """Opens a folder, glob, list or tar shards of `.inr` files as a dataset of networks, with their weights as arrays.

    Args:
      source: as for `open_dataset`.
      init: the shared init that files need, as for `inrc.decode`.
      limits: limits of decoding one file.

    Raises:
      DatasetError: There is no such place, or no `.inr` file in it.
      InitMismatchError: There is no such init.
    """
    return Dataset(list_items(source, INR_FILES), functools.partial(_network, init=_loaded(init), limits=limits))


def _pixels(data: bytes, **options) -> np.ndarray:
    return decode(data, **options).pixels


def _network(data: bytes, *, init: SharedInit | None, limits: DecodeLimits) -> Network:
    file = files.unpack(data, limits, shared_init.lookup_of(init))
    return Network(file.header, file.params, file.latents)


def _loaded(init: SharedInit | Path | str | None) -> SharedInit | None:
    """Returns the init, read once for all files."""
    return init if init is None or isinstance(init, SharedInit) else shared_init.by_name(str(init))
