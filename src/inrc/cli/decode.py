"""`inrc decode`: decodes an `.inr` file to a picture, whole or in part, at any size."""

import dataclasses
import threading
import time
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, create_mutex_group

from inrc.cli.argument_checks import Between, Place
from inrc.cli.arguments import FLAG, REGION, SIZE, Maybe, as_json, value
from inrc.cli.inputs import is_stream, read_file
from inrc.cli.outputs import check_json, is_plain_file, output_path, write_file
from inrc.cli.streams import answer, say
from inrc.errors import ConfigError, ImageError, InrcError
from inrc.names import one_line, shown

_FORMAT_OF_SUFFIX = {"png": "png", "tif": "tif", "tiff": "tif", "jpg": "jpg", "jpeg": "jpg"}
_FORMAT_OF_SUFFIX |= {"webp": "webp", "ppm": "ppm", "pgm": "pgm"}
_DENSITY = create_mutex_group(required=False, title="size")


@dataclasses.dataclass(frozen=True)
class Decode:
    """Decode an .inr file to a picture, at its own size or at any other, or decode many files into a folder.

    Attributes:
      input: The .inr file, or - for stdin. Or many files: a folder with everything below it, a glob in quotes, a .txt
        list, a .tar archive, or a URL of any file system that fsspec knows.
      output: The picture to write: .png, .tif, .jpg, .webp, .ppm or .pgm, or - for stdout. It is overwritten if it
        exists. The default, IN with the suffix of the format, is not overwritten. For many files, the folder for their
        pictures; pictures that are already there are kept.
      scale: Pixels per native pixel: 2 doubles width and height.
      size: Width and height of the picture in pixels; of the region, if a region is given.
      fit: The most pixels of the longer side, as of a thumbnail: the shape is kept, and nothing is enlarged.
      region: The part to render, in native pixels: left, top, width, height.
      antialias: How to render below the native size. supersample renders every native pixel and averages; damp weakens
        high frequencies, which is faster.
      quality: The quality of JPEG (95 by default) and WebP (lossless by default), from 1 to 100.
      format: The format of the picture, where its name does not say it: png (the default), tif, jpg, webp, ppm or pgm.
      metadata: What becomes of EXIF and XMP, where the file has them. keep writes them into PNG, TIFF, JPEG and WebP,
        and a line says what does not fit; strip leaves both out.
      force: Overwrite the default output or the pictures of many files, write a file whose suffix names another format,
        or write to a terminal.
      init: The shared init that the file needs: the path of its .npz file, or the first digits of its id. By default it
        is looked for in the folders of INRC_INIT_PATH and in the package.
      json: Print one JSON object on stdout.
      quiet: Show no summary on stderr.
    """

    input: Annotated[Positional[str], value("IN"), Place(or_stream=True)]
    output: Annotated[Maybe[str], value("OUT", "-o"), Place(or_stream=True)] = None
    scale: Annotated[Maybe[float], value("S"), Between(0, 2**20, above=True), _DENSITY] = None
    size: Annotated[Maybe[tuple[int, int]], SIZE, value("WxH"), Between(1, 2**31 - 1), _DENSITY] = None
    fit: Annotated[Maybe[int], value("N"), Between(1, 2**31 - 1), _DENSITY] = None
    region: Annotated[Maybe[tuple[float, float, float, float]], REGION, value("X,Y,W,H"), Between(0, 2**31 - 1)] = None
    antialias: Literal["supersample", "damp", "none"] = "supersample"
    quality: Annotated[Maybe[int], value("1..100", "-q"), Between(1, 100)] = None
    init: Annotated[Maybe[str], value("ID|PATH")] = None
    format: Annotated[Maybe[Literal["png", "tif", "jpg", "webp", "ppm", "pgm"]], FLAG] = None
    metadata: Literal["keep", "strip"] = "keep"
    force: Annotated[bool, FLAG] = False
    json: Annotated[bool, FLAG] = False
    quiet: Annotated[bool, FLAG] = False


def decode_command(arguments: Decode) -> None:
    """Decodes one file or many, and writes the pictures.

    Raises:
      InrcError: An error of `inrc.decode` or `inrc.write_image`, or some of many files failed.
    """
    if _are_many(arguments.input):
        _decode_many(arguments)
    else:
        _decode_one(arguments)


def _are_many(source: str) -> bool:
    """Whether a source stands for many files, rather than for one file on this machine."""
    path = Path(source)
    if is_stream(path):
        return False
    if path.is_file():
        return path.suffix.lower() in (".tar", ".txt")
    return path.is_dir() or "://" in source or any(mark in source for mark in "*?[")


def _decode_one(arguments: Decode) -> None:
    began = time.monotonic()
    source = Path(arguments.input)
    data = read_file(source)
    output, format = _output(arguments, source)
    from inrc.codec.decode import decode
    from inrc.models.view import Antialias
    from inrc.signal.formats import left_out
    from inrc.signal.image import encode_image, without_metadata

    image = decode(
        data,
        size=arguments.size,
        scale=arguments.scale,
        fit=arguments.fit,
        region=arguments.region,
        antialias=Antialias(arguments.antialias),
        init=arguments.init,
    )
    if arguments.metadata == "strip":
        image = without_metadata(image)
    try:
        picture = encode_image(image, format, quality=arguments.quality)
    except ImageError as error:
        raise type(error)(f"cannot write {shown(output)}: {error}") from error.__cause__
    write_file(output, picture)

    seconds = time.monotonic() - began
    if not arguments.quiet:
        say(f"{output}: {image.width} x {image.height}, {seconds:.2f} s")
        for lost in left_out(format, image.exif, image.xmp):
            say(_lost(str(output), lost, format))
    if arguments.json:
        values = {
            "input": arguments.input,
            "output": output,
            "width": image.width,
            "height": image.height,
            "channels": image.channels,
            "bit_depth": image.bit_depth,
            "decode_seconds": seconds,
        }
        answer(as_json(values))


def _output(arguments: Decode, source: Path) -> tuple[Path, str]:
    """Returns where to write the picture, and its format: that of its suffix, or else the one that is asked for.

    Raises:
      ConfigError: The output exists, contradicts the format, or is named as another one, and is not forced.
      UnwritableImageError: The output cannot be written.
    """
    path = None if arguments.output is None else Path(arguments.output)
    named = "" if path is None else path.suffix.lower().removeprefix(".")
    named = _FORMAT_OF_SUFFIX.get(named, "")
    format = arguments.format or named or "png"
    suffixes = tuple(f".{suffix}" for suffix, other in _FORMAT_OF_SUFFIX.items() if other == format)
    if path is not None and is_plain_file(path) and not (named or arguments.format or arguments.force):
        raise ConfigError(
            f"the name {shown(path)} says no format that inrc writes; name it .png, .tif, .jpg, .webp, .ppm or .pgm, "
            "or use --format"
        )
    output = output_path(source, path, f".{format}", force=arguments.force, suffixes=suffixes)
    check_json(output, json=arguments.json)
    return output, format


def _decode_many(arguments: Decode) -> None:
    if arguments.output is None:
        raise ConfigError(f"{shown(arguments.input)} holds many files; name a folder for their pictures with -o")
    if is_stream(Path(arguments.output)):
        raise ConfigError(f"{shown(arguments.input)} holds many files, which need a folder; name one with -o")
    began = time.monotonic()
    from inrc import shared_init
    from inrc.cli.interrupt import run_interruptibly
    from inrc.cli.jax_setup import jax_set_up
    from inrc.dataset.kinds import skipped_in_words
    from inrc.dataset.pictures import DecodeOptions, DecodeTotals, decode_all
    from inrc.dataset.places import public
    from inrc.models.view import Antialias
    from inrc.parallel import n_cores

    options = DecodeOptions(
        size=arguments.size,
        scale=arguments.scale,
        fit=arguments.fit,
        region=arguments.region,
        antialias=Antialias(arguments.antialias),
        init=None if arguments.init is None else shared_init.by_name(arguments.init),
        format=arguments.format or "png",
        quality=arguments.quality,
        metadata=arguments.metadata,
        force=arguments.force,
        n_threads=n_cores(),
    )
    output = arguments.output

    def work(stop: threading.Event) -> DecodeTotals:
        return decode_all(arguments.input, output, options, on_error=_print_failure, on_lost=note_lost, stop=stop)

    def note_lost(name: str, lost: str) -> None:
        if not arguments.quiet:
            say(_lost(name, lost, options.format))

    def announce() -> None:
        if not arguments.quiet:
            say("inrc: stopping after the current pictures; press Ctrl-C again to abort")

    with jax_set_up():
        totals = run_interruptibly(work, announce)
    seconds = time.monotonic() - began
    if not arguments.quiet:
        kept = f", {totals.n_kept:,} kept" if totals.n_kept else ""
        failed = f", {totals.n_failed:,} failed" if totals.n_failed else ""
        skipped = f", {words}" if (words := skipped_in_words(totals.skipped)) else ""
        counts = f"{totals.n_done:,} pictures decoded{kept}{failed}{skipped}"
        say(f"{public(output)}: {counts}, {seconds:.2f} s")
    if arguments.json:
        places = {"input": public(arguments.input), "output": public(output)}
        answer(as_json({**places, **vars(totals), "seconds": seconds}))
    n_left = totals.n_items - totals.n_kept - totals.n_done - totals.n_failed
    if n_left:
        raise KeyboardInterrupt(f"interrupted with {n_left:,} files left; the same command decodes them")
    if totals.n_failed:
        raise InrcError(f"{totals.n_failed:,} of {totals.n_items:,} files failed; the lines above say why")


def _lost(name: str, lost: str, format: str) -> str:
    """The line that says what a format does not hold."""
    return f"inrc: {shown(name)}: the {lost} of the file is left out: it does not fit into {format}; write png or tif"


def _print_failure(name: str, error: Exception) -> None:
    """Prints one line on stderr for a file that failed."""
    say(f"inrc: error: {shown(name)}: {one_line(error)}")
