"""`inrc encode`: encodes a picture as an `.inr` file."""

import contextlib
import dataclasses
import hashlib
import os
import re
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional

from inrc.cli.argument_checks import InputFile, OutputFile
from inrc.cli.arguments import FLAG, as_json, value
from inrc.cli.encoding import EncodingArguments
from inrc.cli.inputs import is_stream, read_file
from inrc.cli.outputs import check_json, is_plain_file, output_path, write_file
from inrc.cli.streams import answer, say
from inrc.presets import DEFAULT_LOSS

if TYPE_CHECKING:
    from inrc.codec.options import EncodeOptions
    from inrc.codec.stats import Encoded
    from inrc.signal.image import Image

_USUAL_NAME_MAX = 255
_SUFFIX_BYTES = len(".0123456789ab.ckpt") + len(".999") + len(".4194304.tmp")
"""Bytes that the names of checkpoints add to that of the output: of further fits, and of half-written ones."""


@dataclasses.dataclass(frozen=True)
class Encode:
    """Encode a picture as an .inr file.

    Ctrl-C ends the fit and writes the best file so far. An encode that is killed resumes when the same command is run
    again.

    Attributes:
      input: The picture: PNG, JPEG, WebP, TIFF, AVIF, HEIF, JPEG XL, BMP, PPM or PGM, of up to 16 bits, gray or RGB,
        with or without alpha; or - for stdin.
      output: The file to write, or - for stdout. It is overwritten if it exists. The default, IN with the suffix .inr,
        is not overwritten.
      encoding: Options of the file.
      force: Overwrite the default output, write a file whose suffix names another format, or write to a terminal.
      json: Print one JSON object on stdout; psnr_db is null for an exact copy.
      quiet: Show no progress and no summary on stderr.
    """

    input: Annotated[
        Positional[Path], value("IN"), InputFile(or_stdin=True, remedy="name a picture, or use inrc batch")
    ]
    output: Annotated[Path | None, value("OUT.inr", "-o"), OutputFile(or_stdout=True)] = None
    encoding: EncodingArguments = EncodingArguments()
    force: Annotated[bool, FLAG] = False
    json: Annotated[bool, FLAG] = False
    quiet: Annotated[bool, FLAG] = False


def encode_command(arguments: Encode) -> None:
    """Encodes a picture and writes the file.

    Raises:
      InrcError: An error of `inrc.encode` or `inrc.read_image`, or the output cannot be written.
      KeyboardInterrupt: The user interrupted the encode a second time, so that nothing was written.
    """
    output = output_path(arguments.input, arguments.output, ".inr", force=arguments.force)
    check_json(output, json=arguments.json)
    options = arguments.encoding.options()
    from inrc.signal.image import read_image

    source = read_file(arguments.input) if is_stream(arguments.input) else arguments.input
    image = read_image(source, metadata=options.metadata)
    checkpoint = None
    if is_plain_file(output):
        checkpoint = output.with_name(f"{_stem(output)}.{_identity(image, options)}.ckpt")
    encoded = _encode(arguments, image, options, checkpoint)
    write_file(output, encoded.data)
    if checkpoint is not None:
        _remove_checkpoints(output.parent, re.escape(_stem(output)) + r"\.[0-9a-f]{12}\.ckpt")

    stats = encoded.stats
    if not arguments.quiet:
        remark = " (stopped early: the best so far)" if stats.interrupted else ""
        if stats.is_full_quality:
            remark += " (the limit allows more than quality 100 takes)"
        say(
            f"{output}: {stats.n_bytes:,} bytes, {stats.bpp:.4g} bpp, {stats.psnr_db:.2f} dB,"
            f" {stats.encode_seconds:.1f} s{remark}"
        )
    if arguments.json:
        answer(as_json({"input": arguments.input, "output": output, **dataclasses.asdict(stats)}))


def _stem(output: Path) -> str:
    """Returns what the names of an output's checkpoints begin with: its name, shortened where they would be too long.

    A shortened name ends in a hash of the whole name, so that outputs share no checkpoint.
    """
    try:
        longest = os.pathconf(output.parent, "PC_NAME_MAX")
    except (OSError, ValueError):
        longest = _USUAL_NAME_MAX
    name, most = os.fsencode(output.name), longest - _SUFFIX_BYTES
    if len(name) <= most:
        return output.name
    digest = hashlib.sha256(name).hexdigest()[:16]
    return f"{name[: max(0, most - 17)].decode(errors='ignore')}-{digest}"


def _encode(arguments: Encode, image: "Image", options: "EncodeOptions", checkpoint: Path | None) -> "Encoded":
    from inrc.cli.interrupt import run_interruptibly
    from inrc.cli.jax_setup import jax_set_up
    from inrc.cli.progress import Bar, FitProgress
    from inrc.codec.encode import encode
    from inrc.errors import CheckpointMismatchError
    from inrc.fit.task import Progress

    bar = Bar(quiet=arguments.quiet, description="compiling")
    show = FitProgress(bar, loss_is_mse=options.loss_name == DEFAULT_LOSS)

    def work(stop: threading.Event) -> "Encoded":
        def progress(state: Progress) -> None:
            show(state)
            if stop.is_set():
                raise KeyboardInterrupt  # on which the fit ends with its best parameters so far

        try:
            return encode(image, options, progress=progress, checkpoint_path=checkpoint)
        except CheckpointMismatchError:  # it is damaged, since its name says that it belongs here
            assert checkpoint is not None
            _remove_checkpoints(checkpoint.parent, re.escape(checkpoint.name))
            return encode(image, options, progress=progress, checkpoint_path=checkpoint)

    def announce() -> None:
        if not arguments.quiet:
            bar.announce("inrc: stopping after the next steps; press Ctrl-C again to abort")

    try:
        with jax_set_up(), bar:
            return run_interruptibly(work, announce)
    except KeyboardInterrupt as error:
        is_kept = checkpoint is not None and checkpoint.exists()
        again = "; the same command resumes from the last checkpoint" if is_kept else ""
        raise KeyboardInterrupt(f"interrupted, nothing was written{again}") from error


def _identity(image: "Image", options: "EncodeOptions") -> str:
    """Returns a hash of what a checkpoint belongs to: the picture, the release and all options but the time budget.

    The time budget is left out because a second run may raise it. A shared init counts by its content, not by its path.
    """
    from importlib.metadata import version

    from inrc.shared_init import by_name

    init = by_name(options.init).sha256 if options.names_init else options.init
    settings = dataclasses.replace(options, time_budget=None, init=init)
    digest = hashlib.sha256(repr((version("inrc"), image.pixels.shape, image.pixels.dtype.str, settings)).encode())
    digest.update(image.pixels.tobytes())
    return digest.hexdigest()[:12]


def _remove_checkpoints(folder: Path, name: str) -> None:
    """Removes the checkpoints whose names match a pattern, with those of further fits and half-written ones.

    Once an output is written, the checkpoints of other, unfinished encodes of the same output are of no use either.
    """
    pattern = re.compile(name + r"(\.\d+)?(\.\d+\.tmp)?")
    with contextlib.suppress(OSError):
        for path in folder.iterdir():
            if pattern.fullmatch(path.name):
                path.unlink(missing_ok=True)
