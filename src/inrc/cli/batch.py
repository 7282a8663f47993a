"""`inrc batch`: all pictures of a dataset to `.inr` files."""

import dataclasses
import math
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Literal

from tyro.conf import Positional

from inrc.cli.arguments import FLAG, as_json, value
from inrc.cli.encoding import EncodingArguments
from inrc.cli.progress import Bar
from inrc.errors import InrcError

if TYPE_CHECKING:
    from inrc.dataset.run import Engine, Totals


@dataclasses.dataclass(frozen=True)
class Batch:
    """Encode all pictures of a dataset; run again, it does what is left. Ctrl-C ends it and keeps what is finished.

    OUT/manifest.jsonl has a line for every picture: hash of the input, bytes, bpp, PSNR, SSIM, seconds, or the error.
    A picture that is done under the same options and has not changed is left alone. One that cannot be encoded does
    not stop the others.

    Attributes:
      input: A folder with all that is below it, a glob in quotes, a .txt list of paths or URLs, or a .tar archive;
        folders and globs may hold archives. A path, or a URL of any file system of fsspec.
      output: The folder of the files; made if it does not exist. A path or a URL.
      batch_size: Pictures of one size that are fitted side by side; by default as many as the device's memory takes.
      shards: Write tar archives of N files instead of one file per picture.
      again: Try again what failed before.
      readers: Threads that read and prepare pictures.
      memory: Gigabytes for the pictures in work.
      no_ssim: Do not measure SSIM, which decodes every file once more.
      engine: "ray" shares the pictures among workers of a Ray cluster, one for every accelerator; needs inrc[cluster].
      address: Of the cluster, as HOST:PORT or "auto"; by default that of RAY_ADDRESS, or one of this machine alone.
      workers: At most; by default as many as the cluster has room for.
      cores: Of a worker, where the cluster has no accelerators.
      json: Print one JSON object on stdout at the end.
      quiet: No progress and no summary on stderr.
    """

    input: Annotated[Positional[str], value("IN")]
    output: Annotated[Positional[str], value("OUT")]
    encoding: EncodingArguments = EncodingArguments()
    batch_size: Annotated[int | None, value("N")] = None
    shards: Annotated[int, value("N")] = 0
    again: Annotated[bool, FLAG] = False
    readers: Annotated[int, value("N", hint=None)] = 2
    memory: Annotated[float, value("GB", hint=None)] = 1.0
    no_ssim: Annotated[bool, FLAG] = False
    engine: Literal["local", "ray"] = "local"
    address: Annotated[str | None, value("ADDRESS")] = None
    workers: Annotated[int | None, value("N")] = None
    cores: Annotated[int, value("N", hint=None)] = 2
    json: Annotated[bool, FLAG] = False
    quiet: Annotated[bool, FLAG] = False


def batch_command(arguments: Batch) -> None:
    """Encodes what is left of the dataset.

    Raises:
      InrcError: The dataset or the outputs cannot be used, or pictures failed.
      KeyboardInterrupt: It was ended early.
    """
    from inrc.cli.interrupt import run_interruptibly
    from inrc.cli.jax_setup import jax_set_up, use_all_cores
    from inrc.dataset.manifest import manifest_path
    from inrc.dataset.run import encode_dataset
    from inrc.dataset.tasks import RunOptions

    use_all_cores()
    options = RunOptions(
        encode=arguments.encoding.options(),
        batch_size=arguments.batch_size,
        images_per_shard=arguments.shards,
        n_readers=arguments.readers,
        memory_bytes=round(arguments.memory * 2**30),
        measure_ssim=not arguments.no_ssim,
        again=arguments.again,
    )
    bar = Bar(quiet=arguments.quiet, description="listing", counts=True)
    engine = _engine(arguments, bar.announce)
    was_stopped = threading.Event()

    def show(totals: "Totals") -> None:
        bar.show("encoding", totals.n_items - totals.n_left, totals.n_items, reached(totals), totals.seconds_left)

    def work(stop: threading.Event) -> "Totals":
        return encode_dataset(arguments.input, arguments.output, options, engine=engine, progress=show, stop=stop)

    def announce() -> None:
        was_stopped.set()
        if not arguments.quiet:
            bar.announce("inrc: stopping after the next steps; Ctrl-C again to abort")

    with jax_set_up(), bar:
        totals = run_interruptibly(work, announce)
    if not arguments.quiet:
        print(f"{arguments.output}: {_summary(totals)}", file=sys.stderr)
    manifest = manifest_path(arguments.output)
    if arguments.json:
        print(as_json({"input": arguments.input, "output": arguments.output, "manifest": manifest, **_values(totals)}))
        sys.stdout.flush()
    if was_stopped.is_set() and totals.n_left:
        raise KeyboardInterrupt(f"interrupted with {totals.n_left:,} pictures left; the same command goes on")
    n_failed = totals.n_failed + totals.n_kept_failed
    if n_failed:
        raise InrcError(
            f"{n_failed:,} of {totals.n_items:,} pictures failed; their lines in {manifest} say why, and --again tries "
            "them again"
        )


def _engine(arguments: Batch, announce: Callable[[str], None]) -> "Engine":
    """Who encodes.

    Raises:
      InrcError: Ray is missing, or its options are out of range.
    """
    if arguments.engine == "local":
        from inrc.dataset.pipeline import encode_tasks

        return encode_tasks
    from inrc.dataset.ray_cluster import import_ray
    from inrc.dataset.ray_engine import Event, RayEngine

    def tell(event: Event) -> None:
        if event.kind == "lost" and not arguments.quiet:
            announce(f"inrc: worker {event.worker} on {event.host} is lost: {event.reason}")

    import_ray()
    return RayEngine(arguments.address, arguments.cores, arguments.workers, on_event=tell)


def _values(totals: "Totals") -> dict[str, Any]:
    return {
        "n_images": totals.n_items,
        "n_kept": totals.n_kept,
        "n_done": totals.n_done,
        "n_failed": totals.n_failed + totals.n_kept_failed,
        "n_left": totals.n_left,
        "input_bytes": totals.input_bytes,
        "n_bytes": totals.n_bytes,
        "mean_psnr_db": totals.mean_psnr_db,
        "seconds": totals.seconds,
        "images_per_second": totals.images_per_second,
    }


def _summary(totals: "Totals") -> str:
    parts = [f"{totals.n_done:,} pictures encoded"]
    if totals.n_kept:
        parts.append(f"{totals.n_kept:,} kept")
    n_failed = totals.n_failed + totals.n_kept_failed
    if n_failed:
        parts.append(f"{n_failed:,} failed")
    if totals.n_left:
        parts.append(f"{totals.n_left:,} left")
    if totals.n_done:
        parts += [f"{amount(totals.input_bytes)} to {amount(totals.n_bytes)}"]
        if not math.isnan(totals.mean_psnr_db):
            parts.append(f"{totals.mean_psnr_db:.2f} dB")
        parts.append(f"{totals.images_per_second:.3g} images/s")
    return ", ".join(parts)


def amount(n_bytes: float) -> str:
    """A number of bytes as a user reads it; it may be negative."""
    if abs(n_bytes) < 1000:
        return f"{n_bytes:.0f} bytes"
    power = min(int(math.log10(abs(n_bytes)) / 3), 4)
    return f"{n_bytes / 1000**power:.3g} {('kB', 'MB', 'GB', 'TB')[power - 1]}"


def reached(totals: "Totals") -> str:
    """Speed, failures, bytes saved and quality so far."""
    parts = []
    if totals.images_per_second:
        parts.append(f"{totals.images_per_second:.3g} images/s")
    n_failed = totals.n_failed + totals.n_kept_failed
    if n_failed:
        parts.append(f"{n_failed:,} failed")
    if totals.n_done:
        parts.append(f"{amount(totals.input_bytes - totals.n_bytes)} saved")
    if not math.isnan(totals.mean_psnr_db):
        parts.append(f"{totals.mean_psnr_db:.2f} dB")
    return "  ".join(parts)
