"""`inrc encode`: a picture to an `.inr` file."""

import contextlib
import dataclasses
import hashlib
import re
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional

from inrc.cli.arguments import FLAG, as_json, output_path, value, write_file
from inrc.cli.encoding import EncodingArguments

if TYPE_CHECKING:
    from inrc.codec.encode import Encoded
    from inrc.codec.options import EncodeOptions
    from inrc.signal.image import Image


@dataclasses.dataclass(frozen=True)
class Encode:
    """Encode a picture as an .inr file. Ctrl-C keeps the best so far; a killed encode goes on when run again.

    Attributes:
      input: The picture: PNG, JPEG, WebP, TIFF, BMP, PPM or PGM; 8 or 16 bits; gray, RGB, with or without alpha.
      output: Where to write; overwritten if it exists. By default IN with .inr, which is not overwritten.
      encoding: What the file should be.
      force: Overwrite the default output.
      json: Print one JSON object on stdout; psnr_db is null for an exact copy.
      quiet: No progress and no summary on stderr.
    """

    input: Annotated[Positional[Path], value("IN")]
    output: Annotated[Path | None, value("OUT.inr", "-o")] = None
    encoding: EncodingArguments = EncodingArguments()
    force: Annotated[bool, FLAG] = False
    json: Annotated[bool, FLAG] = False
    quiet: Annotated[bool, FLAG] = False


def encode_command(arguments: Encode) -> None:
    """Encodes and writes the file.

    Raises:
      InrcError: As `inrc.encode` and `inrc.read_image`, or the output cannot be written.
      KeyboardInterrupt: Nothing was written.
    """
    output = output_path(arguments.input, arguments.output, ".inr", force=arguments.force)
    from inrc.signal.image import read_image

    image = read_image(arguments.input)
    options = arguments.encoding.options()
    checkpoint = output.with_name(f"{output.name}.{_identity(image, options)}.ckpt")
    encoded = _encode(arguments, image, options, checkpoint)
    write_file(output, encoded.data)
    _remove_checkpoints(output.parent, re.escape(output.name) + r"\.[0-9a-f]{12}\.ckpt")

    stats = encoded.stats
    if not arguments.quiet:
        stopped = " (stopped early: the best so far)" if stats.interrupted else ""
        print(
            f"{output}: {stats.n_bytes:,} bytes, {stats.bpp:.4g} bpp, {stats.psnr_db:.2f} dB,"
            f" {stats.encode_seconds:.1f} s{stopped}",
            file=sys.stderr,
        )
    if arguments.json:
        print(as_json({"input": arguments.input, "output": output, **dataclasses.asdict(stats)}))


def _encode(arguments: Encode, image: "Image", options: "EncodeOptions", checkpoint: Path) -> "Encoded":
    from inrc.cli.interrupt import run_interruptibly
    from inrc.cli.jax_setup import jax_set_up
    from inrc.cli.progress import Bar, FitProgress
    from inrc.codec.encode import encode
    from inrc.errors import CheckpointMismatchError
    from inrc.fit.config import Progress

    bar = Bar(quiet=arguments.quiet, description="compiling")
    show = FitProgress(bar, loss_is_mse=options.loss == "mse")

    def work(stop: threading.Event) -> "Encoded":
        def progress(state: Progress) -> None:
            show(state)
            if stop.is_set():
                raise KeyboardInterrupt  # which the fit takes as the wish to end with the best so far

        try:
            return encode(image, options, progress=progress, checkpoint_path=checkpoint)
        except CheckpointMismatchError:  # damaged: its name says that it belongs to this picture and these options
            _remove_checkpoints(checkpoint.parent, re.escape(checkpoint.name))
            return encode(image, options, progress=progress, checkpoint_path=checkpoint)

    def announce() -> None:
        if not arguments.quiet:
            bar.announce("inrc: stopping after the next steps; Ctrl-C again to abort")

    try:
        with jax_set_up(), bar:
            return run_interruptibly(work, announce)
    except KeyboardInterrupt as error:
        again = "; the same command goes on from the last checkpoint" if checkpoint.exists() else ""
        raise KeyboardInterrupt(f"interrupted, nothing was written{again}") from error


def _identity(image: "Image", options: "EncodeOptions") -> str:
    """What a checkpoint belongs to: the picture and all options but the time budget, which a second run may raise.

    A shared init counts by its content, wherever it lies.
    """
    from importlib.metadata import version

    from inrc.shared_init import by_name

    init = by_name(options.init).sha256 if options.names_init else options.init
    settings = dataclasses.replace(options, time_budget=None, init=init)
    digest = hashlib.sha256(repr((version("inrc"), image.pixels.shape, image.pixels.dtype.str, settings)).encode())
    digest.update(image.pixels.tobytes())
    return digest.hexdigest()[:12]


def _remove_checkpoints(folder: Path, name: str) -> None:
    """Removes the checkpoints whose names match the pattern `name`, those of further fits and half-written ones too.

    Once an output is safe, those of other encodes of the same output, which never ended, are of no use either.
    """
    pattern = re.compile(name + r"(\.\d+)?(\.\d+\.tmp)?")
    with contextlib.suppress(OSError):
        for path in folder.iterdir():
            if pattern.fullmatch(path.name):
                path.unlink(missing_ok=True)
