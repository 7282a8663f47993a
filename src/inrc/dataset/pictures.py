"""Decodes a dataset of `.inr` files into a folder of pictures. It imports nothing of the training stack."""

import dataclasses
import os
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from inrc.codec.decode import decode
from inrc.dataset.folder import Folder
from inrc.dataset.items import Item, output_names, read_item
from inrc.dataset.manifest import MANIFEST
from inrc.dataset.sources import INR_FILES, listing
from inrc.models.view import Antialias
from inrc.shared_init import SharedInit
from inrc.signal.formats import left_out
from inrc.signal.image import KEEP, STRIP, encode_image, without_metadata

_TASKS_PER_THREAD = 2


@dataclasses.dataclass(frozen=True)
class DecodeOptions:
    """How every file is rendered and written; see `inrc.decode` and `inrc.signal.image.encode_image`.

    Attributes:
      size, scale, fit, region, antialias, init: as for `inrc.decode`.
      format: format of the pictures, and their suffix.
      quality: quality of JPEG and WebP.
      metadata: "keep" writes EXIF and XMP where file and format hold them, "strip" does not.
      force: whether pictures that are already there are written again.
      n_threads: the number of threads that decode.
    """

    size: tuple[int, int] | None = None
    scale: float | None = None
    fit: int | None = None
    region: tuple[float, float, float, float] | None = None
    antialias: Antialias = Antialias.SUPERSAMPLE
    init: SharedInit | None = None
    format: str = "png"
    quality: int | None = None
    metadata: str = KEEP
    force: bool = False
    n_threads: int = 2


@dataclasses.dataclass
class DecodeTotals:
    """Counts of files: all files, those whose picture was already there, those decoded now, and those that failed.

    `skipped` is {suffix: number} of files that are no `.inr` files.
    """

    n_items: int = 0
    n_kept: int = 0
    n_done: int = 0
    n_failed: int = 0
    skipped: Mapping[str, int] = dataclasses.field(default_factory=dict)


def decode_all(
    source: str | os.PathLike[str],
    output: str | os.PathLike[str],
    options: DecodeOptions | None = None,
    *,
    on_error: Callable[[str, Exception], None] | None = None,
    on_lost: Callable[[str, str], None] | None = None,
    progress: Callable[[DecodeTotals], None] | None = None,
    stop: threading.Event | None = None,
) -> DecodeTotals:
    """Decodes a folder, glob, list or tar shards of `.inr` files into a folder of pictures.

    A picture that is already there is skipped, so that a run that was killed can be resumed. A file that fails does not
    stop the others.

    Args:
      source: as for `inrc.dataset.sources.listing`.
      output: path or URL of the folder; the names of the pictures mirror those of the files.
      options: how to render and write; the defaults if not given.
      on_error: takes the name and the error of every file that cannot be decoded.
      on_lost: takes the name of a file and "EXIF" or "XMP" where the format does not hold it; called from any thread.
      progress: called after every file.
      stop: set it to end the run after the pictures that are being decoded.

    Returns:
      The counts of this run.

    Raises:
      DatasetError: The files cannot be listed, or the folder is on no known file system.
    """
    options = options or DecodeOptions()
    items, skipped = listing(source, INR_FILES, ignored=(MANIFEST,))
    folder = Folder(os.fspath(output))
    totals = DecodeTotals(n_items=len(items), skipped=skipped)
    running: dict[Future[None], Item] = {}

    def settle(done: set[Future[None]]) -> None:
        for future in done:
            item, error = running.pop(future), future.exception()
            if error is None:
                totals.n_done += 1
            elif isinstance(error, Exception):
                totals.n_failed += 1
                if on_error is not None:
                    on_error(item.name, error)
            else:
                raise error
            if progress is not None:
                progress(totals)

    with ThreadPoolExecutor(options.n_threads, "inrc-decoder") as pool:
        for item, name in zip(items, output_names(items, f".{options.format}"), strict=True):
            if stop is not None and stop.is_set():
                break
            if not options.force and folder.size(name) and item.refusal is None:
                totals.n_kept += 1
                continue
            running[pool.submit(_decode_one, item, folder, name, options, on_lost)] = item
            if len(running) >= _TASKS_PER_THREAD * options.n_threads:
                settle(wait(running, return_when=FIRST_COMPLETED).done)
        settle(wait(running).done)
    return totals


def _decode_one(
    item: Item, folder: Folder, name: str, options: DecodeOptions, on_lost: Callable[[str, str], None] | None
) -> None:
    image = decode(
        read_item(item),
        size=options.size,
        scale=options.scale,
        fit=options.fit,
        region=options.region,
        antialias=options.antialias,
        init=options.init,
    )
    if options.metadata == STRIP:
        image = without_metadata(image)
    folder.put(name, encode_image(image, options.format, quality=options.quality))
    if on_lost is not None:
        for lost in left_out(options.format, image.exif, image.xmp):
            on_lost(item.name, lost)
