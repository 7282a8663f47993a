"""`inrc decode`: decodes an `.inr` file to a picture, whole or in part, at any size."""

import dataclasses
import sys
import threading
import time
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, create_mutex_group

from inrc.cli.arguments import FLAG, REGION, SIZE, as_json, output_path, read_file, value
from inrc.errors import ConfigError, InrcError

_DENSITY = create_mutex_group(required=False, title="size")


@dataclasses.dataclass(frozen=True)
class Decode:
    """Decode an .inr file to a picture, at its own size or at any other, or decode many files into a folder.

    Attributes:
      input: The .inr file. Or many files: a folder with everything below it, a glob in quotes, a .txt list, a .tar
        archive, or a URL of any file system that fsspec knows.
      output: The picture to write: .png, .tif, .jpg, .webp, .ppm or .pgm. It is overwritten if it exists. The default,
        IN with the suffix .png, is not overwritten. For many files, the folder for their pictures; pictures that are
        already there are kept.
      scale: Pixels per native pixel: 2 doubles width and height.
      size: Width and height of the picture in pixels; of the region, if a region is given.
      region: The part to render, in native pixels: left, top, width, height.
      antialias: How to render below the native size. supersample renders every native pixel and averages; damp weakens
        high frequencies, which is faster.
      quality: The quality of JPEG (95 by default) and WebP (lossless by default), from 1 to 100.
      format: The format of the pictures of many files: png, tif, jpg, webp, ppm or pgm.
      force: Overwrite the default output, or the pictures of many files.
      init: The shared init that the file needs: the path of its .npz file, or the first digits of its id. By default it
        is looked for in the folders of INRC_INIT_PATH and in the package.
      json: Print one JSON object on stdout.
      quiet: Show no summary on stderr.
    """

    input: Annotated[Positional[str], value("IN")]
    output: Annotated[str | None, value("OUT", "-o")] = None
    scale: Annotated[float | None, value("S"), _DENSITY] = None
    size: Annotated[tuple[int, int] | None, SIZE, value("WxH"), _DENSITY] = None
    region: Annotated[tuple[float, float, float, float] | None, REGION, value("X,Y,W,H")] = None
    antialias: Literal["supersample", "damp", "none"] = "supersample"
    quality: Annotated[int | None, value("1..100", "-q")] = None
    init: Annotated[str | None, value("ID|PATH")] = None
    format: Literal["png", "tif", "jpg", "webp", "ppm", "pgm"] = "png"
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
    if path.is_file():
        return path.suffix.lower() in (".tar", ".txt")
    return path.is_dir() or "://" in source or any(mark in source for mark in "*?[")


def _decode_one(arguments: Decode) -> None:
    began = time.monotonic()
    source = Path(arguments.input)
    data = read_file(source)
    output = Path(arguments.output) if arguments.output is not None else None
    output = output_path(source, output, f".{arguments.format}", force=arguments.force)
    from inrc.cli.jax_setup import jax_set_up
    from inrc.codec.decode import decode
    from inrc.models.view import Antialias
    from inrc.signal.image import write_image

    with jax_set_up():
        image = decode(
            data,
            size=arguments.size,
            scale=arguments.scale,
            region=arguments.region,
            antialias=Antialias(arguments.antialias),
            init=arguments.init,
        )
    write_image(output, image, quality=arguments.quality)

    seconds = time.monotonic() - began
    if not arguments.quiet:
        print(f"{output}: {image.width} x {image.height}, {seconds:.2f} s", file=sys.stderr)
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
        print(as_json(values))


def _decode_many(arguments: Decode) -> None:
    if arguments.output is None:
        raise ConfigError(f"{arguments.input} holds many files; name a folder for their pictures with -o")
    began = time.monotonic()
    from inrc import shared_init
    from inrc.cli.interrupt import run_interruptibly
    from inrc.cli.jax_setup import jax_set_up, n_cores
    from inrc.dataset.kinds import skipped_in_words
    from inrc.dataset.pictures import DecodeOptions, DecodeTotals, decode_all
    from inrc.dataset.places import shown
    from inrc.models.view import Antialias

    options = DecodeOptions(
        size=arguments.size,
        scale=arguments.scale,
        region=arguments.region,
        antialias=Antialias(arguments.antialias),
        init=None if arguments.init is None else shared_init.by_name(arguments.init),
        format=arguments.format,
        quality=arguments.quality,
        force=arguments.force,
        n_threads=n_cores(),
    )
    output = arguments.output

    def work(stop: threading.Event) -> DecodeTotals:
        return decode_all(arguments.input, output, options, on_error=_print_failure, stop=stop)

    def announce() -> None:
        if not arguments.quiet:
            print(
                "inrc: stopping after the current pictures; press Ctrl-C again to abort",
                file=sys.stderr,
                flush=True,
            )

    with jax_set_up():
        totals = run_interruptibly(work, announce)
    seconds = time.monotonic() - began
    if not arguments.quiet:
        kept = f", {totals.n_kept:,} kept" if totals.n_kept else ""
        failed = f", {totals.n_failed:,} failed" if totals.n_failed else ""
        skipped = f", {words}" if (words := skipped_in_words(totals.skipped)) else ""
        counts = f"{totals.n_done:,} pictures decoded{kept}{failed}{skipped}"
        print(f"{shown(output)}: {counts}, {seconds:.2f} s", file=sys.stderr)
    if arguments.json:
        print(as_json({"input": shown(arguments.input), "output": shown(output), **vars(totals), "seconds": seconds}))
        sys.stdout.flush()
    n_left = totals.n_items - totals.n_kept - totals.n_done - totals.n_failed
    if n_left:
        raise KeyboardInterrupt(f"interrupted with {n_left:,} files left; the same command decodes them")
    if totals.n_failed:
        raise InrcError(f"{totals.n_failed:,} of {totals.n_items:,} files failed; the lines above say why")


def _print_failure(name: str, error: Exception) -> None:
    """Prints one line on stderr for a file that failed."""
    message = " ".join(f"{name}: {error}".split())
    print(f"inrc: error: {message}", file=sys.stderr, flush=True)
