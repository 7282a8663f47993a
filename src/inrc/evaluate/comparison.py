"""Pictures to compare by eye: an original, one of our files decoded, and JPEG and AVIF of at most its bytes."""

import base64
import dataclasses
import io
import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image

from inrc.baselines.classical import avif_444, best_at_most, jpeg_444, library_versions
from inrc.baselines.interface import MeasuredCodec, Pixels
from inrc.codec.decode import decode
from inrc.errors import ConfigError, InrcError, MissingDataError
from inrc.evaluate.curves import measured
from inrc.evaluate.pictures import kodak
from inrc.evaluate.records import Record, digest, pixels_digest
from inrc.metrics import psnr_db, ssim
from inrc.signal.image import read_image

MAX_IMAGE_BYTES = 12_000_000

_PSNR_TOLERANCE = 0.1
_WEBP_MAX_SIDE = 16383

_Item = TypeVar("_Item")


@dataclasses.dataclass(frozen=True)
class Side:
    """One version of a picture.

    Attributes:
      name: "original", or the name of a codec.
      image: the picture as a data URI.
      n_bytes, bpp: size and rate of its file.
      psnr_db, ssim: quality of its pixels; infinite and 1 for the original.
      remark: a remark to show below it.
    """

    name: str
    image: str
    n_bytes: int
    bpp: float
    psnr_db: float
    ssim: float
    remark: str = ""


@dataclasses.dataclass(frozen=True)
class Comparison:
    """A picture as one of our files holds it, beside its original and other codecs.

    Attributes:
      picture: name of the picture.
      width, height: its size in pixels.
      sides: the original, our file, and files of other codecs of at most our bytes, where they can be that small.
    """

    picture: str
    width: int
    height: int
    sides: tuple[Side, ...]


@dataclasses.dataclass(frozen=True)
class Comparisons:
    """Pictures that can be compared by eye, and the reasons why others cannot.

    Attributes:
      pairs: the comparisons, picture by picture, with rising rates.
      notes: one sentence for everything that was left out, with the remedy.
    """

    pairs: tuple[Comparison, ...] = ()
    notes: tuple[str, ...] = ()


def compare(
    records: Sequence[Record],
    *,
    originals: Sequence[Path],
    files: Path,
    codec: str = "",
    pictures: int = 3,
    rates: int = 3,
    max_image_bytes: int = MAX_IMAGE_BYTES,
    progress: Callable[[str], None] = lambda line: None,
) -> Comparisons:
    """Decodes kept files, and makes a JPEG and an AVIF of at most the same size for each of them.

    Args:
      records: records of any codecs; only those of .inr files count.
      originals: folders in which the original of a picture is looked for, as its name and ".png", in this order.
      files: folder of the files that the run has with_files.
      codec: the codec whose files are shown; the first codec in the records if not given.
      pictures: the number of pictures, spread evenly over all pictures of the codec.
      rates: the number of rates of each picture, spread evenly likewise.
      max_image_bytes: the most bytes that the embedded pictures may take in the page.
      progress: called with a line before every comparison.

    Returns:
      The comparisons, with a note on whatever is missing; that is no error.

    Raises:
      ConfigError: `pictures` or `rates` is negative.
    """
    if min(pictures, rates) < 0:
        raise ConfigError(f"there should be {pictures} pictures and {rates} rates; give 0 or more of each")
    ours = [record for record in measured(records) if record.is_ours]
    ours = [record for record in ours if record.codec == (codec or ours[0].codec)]
    if not ours:
        return Comparisons(notes=(f"There is no record of an .inr file{f' by {codec}' if codec else ''} to show.",))
    paths = {record.picture: _find(record.picture, originals) for record in ours}
    notes = [
        *_missing_originals([picture for picture, path in paths.items() if path is None], originals),
        *_missing_files([record.file_name for record in ours if not (files / record.file_name).is_file()], files),
    ]
    with_files = [record for record in ours if paths[record.picture] and (files / record.file_name).is_file()]
    chosen = evenly_spaced(list(dict.fromkeys(record.picture for record in with_files)), pictures)
    pairs: list[Comparison] = []
    for picture in chosen:
        group = sorted(
            (record for record in with_files if record.picture == picture), key=lambda record: record.n_bytes
        )
        for record in evenly_spaced(group, rates):
            progress(f"{picture}  {record.codec}  {record.bpp:.3f} bpp")
            try:
                pair = _comparison(record, paths[picture] or Path(), files)
            except InrcError as error:
                notes.append(f"{error}.")
                continue
            if _image_bytes([*pairs, pair]) > max_image_bytes:
                notes.append(f"The page would be too large with {picture} at {record.bpp:.3f} bpp: raise --max-mb.")
                continue
            pairs.append(pair)
    return Comparisons(tuple(pairs), tuple(notes))


def evenly_spaced(items: Sequence[_Item], n_items: int) -> list[_Item]:
    """Returns at most `n_items` of a sequence at equal distances, among them the first and the last."""
    if n_items >= len(items):
        return list(items)
    return [items[round(index)] for index in np.linspace(0, len(items) - 1, n_items)]


def _find(picture: str, folders: Iterable[Path]) -> Path | None:
    paths = (folder / f"{picture}.png" for folder in folders)
    return next((path for path in paths if path.is_file()), None)


def _missing_originals(pictures: Sequence[str], folders: Sequence[Path]) -> list[str]:
    if not pictures:
        return []
    where = ", ".join(str(folder) for folder in folders) or "No folder"
    remedy = f" {kodak().remedy}" if set(pictures) & set(kodak().names) else ""
    return [f"{where} has no original of {_some(pictures)}: name a folder that has, with --pictures.{remedy}"]


def _missing_files(names: Sequence[str], folder: Path) -> list[str]:
    if not names:
        return []
    return [f"{folder} lacks {_some(names)}: inrc evaluate EXPERIMENT.py --files {folder} --remake makes them again."]


def _some(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"


def _image_bytes(pairs: Iterable[Comparison]) -> int:
    return sum(len(image) for image in {side.image for pair in pairs for side in pair.sides})


def _comparison(record: Record, path: Path, files: Path) -> Comparison:
    """Returns the comparison of a record's file.

    Raises:
      MissingDataError: The original or the file is not the one of the record.
    """
    pixels = read_image(path).pixels
    if pixels_digest(pixels) != record.picture_digest:
        raise MissingDataError(f"{path} has other pixels than the {record.picture} of the records")
    data = (files / record.file_name).read_bytes()
    if digest(data) != record.file_digest:
        raise MissingDataError(f"{record.file_name} is not the recorded file: remove it and make it again")
    decoded = decode(data).pixels
    # An experiment may have measured the file decoded at another size, for example, which is not shown here.
    if decoded.shape != pixels.shape or abs(psnr_db(pixels, decoded) - record.psnr_db) > _PSNR_TOLERANCE:
        raise MissingDataError(f"{record.file_name} decodes to other pixels than {record.codec} was measured on")
    n_pixels = pixels.shape[0] * pixels.shape[1]
    n_bytes = path.stat().st_size
    original = Side("original", _lossless(pixels), n_bytes, 8 * n_bytes / n_pixels, math.inf, 1.0)
    sides = [original, _side(record.codec, data, pixels, decoded, _lossless(decoded))]
    sides += [_rival(*rival, pixels, len(data)) for rival in _rivals()]
    return Comparison(record.picture, record.width, record.height, tuple(sides))


def _rivals() -> list[tuple[str, MeasuredCodec, Sequence[float], str]]:
    """Returns (name, codec, points from the smallest file to the largest, media type) of the other codecs."""
    rivals: list[tuple[str, MeasuredCodec, Sequence[float], str]] = [
        ("JPEG 4:4:4", jpeg_444(), range(1, 101), "image/jpeg")
    ]
    if library_versions()["libavif"] != "absent":
        rivals.append(("AVIF 4:4:4", avif_444(), range(101), "image/avif"))
    return rivals


def _rival(
    name: str, codec: MeasuredCodec, points: Sequence[float], media_type: str, pixels: Pixels, n_bytes: int
) -> Side:
    data, point = best_at_most(codec, pixels, points, n_bytes)
    side = _side(name, data, pixels, codec.decode(data), _data_uri(data, media_type))
    excess = f"; its smallest file is {len(data) / n_bytes:.1f} times as large as ours" if len(data) > n_bytes else ""
    return dataclasses.replace(side, remark=f"quality {point:g}{excess}")


def _side(name: str, data: bytes, pixels: Pixels, decoded: Pixels, image: str) -> Side:
    bpp = 8 * len(data) / (pixels.shape[0] * pixels.shape[1])
    return Side(name, image, len(data), bpp, psnr_db(pixels, decoded), ssim(pixels, decoded))


def _lossless(pixels: Pixels) -> str:
    """Returns a data URI of exactly these pixels: as WebP, which takes two thirds of PNG's bytes, where it fits."""
    picture = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels).convert("RGB")
    stream = io.BytesIO()
    if max(pixels.shape[:2]) > _WEBP_MAX_SIDE:
        picture.save(stream, "PNG", optimize=True)
        return _data_uri(stream.getvalue(), "image/png")
    picture.save(stream, "WEBP", lossless=True, quality=80, method=4)
    return _data_uri(stream.getvalue(), "image/webp")


def _data_uri(data: bytes, media_type: str) -> str:
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"
