"""`inrc batch`: encodes all pictures of a dataset as `.inr` files."""

import dataclasses
import math
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Literal

from tyro.conf import Positional

from inrc.cli.argument_checks import Between, Place
from inrc.cli.arguments import FLAG, as_json, value
from inrc.cli.encoding import EncodingArguments
from inrc.cli.progress import Bar
from inrc.cli.streams import answer, say
from inrc.errors import InrcError

if TYPE_CHECKING:
    from inrc.dataset.run import Engine, Totals


@dataclasses.dataclass(frozen=True)
class Batch:
    """Encode all pictures of a dataset. Ctrl-C ends the run; the same command encodes the pictures that are left.

    OUT/manifest.jsonl has one line for every picture: the hash of the input, and bytes, bpp, PSNR, SSIM and seconds of
    the encode, or the error. A picture that is already encoded under the same options is skipped unless it has changed.
    A picture that cannot be encoded does not stop the others.

    Attributes:
      input: A folder with everything below it, a glob in quotes, a .txt list of paths or URLs, or a .tar archive.
        Folders and globs may hold archives; files that are no pictures by their suffixes are skipped and counted. IN is
        a path, or a URL of any file system that fsspec knows.
      output: The folder of the files, as a path or a URL. It is made if it does not exist.
      batch_size: Fit N pictures of one size side by side; by default as many as the device's memory takes.
      shards: Write tar archives of N files instead of one file per picture.
      again: Try pictures again that failed before.
      readers: The number of threads that read and prepare pictures.
      memory: Gigabytes that the pictures in flight may take.
      no_ssim: Do not measure SSIM, for which every file is decoded once more.
      engine: "ray" spreads the pictures over workers of a Ray cluster, one for every accelerator. It needs
        inrc[cluster].
      address: The address of the cluster, as HOST:PORT or "auto"; by default that in RAY_ADDRESS, or a cluster of this
        machine alone.
      workers: The largest number of workers; by default as many as the cluster has room for.
      cores: The cores of a worker, where the cluster has no accelerators.
      json: Print one JSON object on stdout at the end.
      quiet: Show no progress and no summary on stderr.
    """

    input: Annotated[Positional[str], value("IN"), Place()]
    output: Annotated[Positional[str], value("OUT"), Place()]
    encoding: EncodingArguments = EncodingArguments()
    batch_size: Annotated[int | None, value("N"), Between(1, 10**6)] = None
    shards: Annotated[int, value("N"), Between(0, 10**9)] = 0
    again: Annotated[bool, FLAG] = False
    readers: Annotated[int, value("N", hint=None), Between(1, 256)] = 2
    memory: Annotated[float, value("GB", hint=None), Between(0.001, 10**6)] = 1.0
    no_ssim: Annotated[bool, FLAG] = False
    engine: Literal["local", "ray"] = "local"
    address: Annotated[str | None, value("ADDRESS")] = None
    workers: Annotated[int | None, value("N"), Between(1, 10**6)] = None
    cores: Annotated[int, value("N", hint=None), Between(1, 10**4)] = 2
    json: Annotated[bool, FLAG] = False
    quiet: Annotated[bool, FLAG] = False


def batch_command(arguments: Batch) -> None:
    """Encodes the pictures that are left of a dataset.

    Raises:
      InrcError: The dataset or the outputs cannot be used, or pictures failed.
      KeyboardInterrupt: The user ended the run early.
    """
    from inrc.cli.interrupt import run_interruptibly
    from inrc.cli.jax_setup import jax_set_up, use_all_cores
    from inrc.dataset.manifest import manifest_path
    from inrc.dataset.places import public
    from inrc.dataset.run import encode_dataset
    from inrc.dataset.tasks import RunOptions

    options = RunOptions(
        encode=arguments.encoding.options(),
        batch_size=arguments.batch_size,
        images_per_shard=arguments.shards,
        n_readers=arguments.readers,
        memory_bytes=round(arguments.memory * 2**30),
        measure_ssim=not arguments.no_ssim,
        again=arguments.again,
    )
    use_all_cores()
    bar = Bar(quiet=arguments.quiet, description="listing", counts=True)
    engine = _engine(arguments, bar.announce)
    was_stopped = threading.Event()

    def show(totals: "Totals") -> None:
        n_finished = totals.n_items - totals.n_left
        bar.show("encoding", n_finished, totals.n_items, "  ".join(results(totals)), totals.seconds_left)

    def work(stop: threading.Event) -> "Totals":
        return encode_dataset(arguments.input, arguments.output, options, engine=engine, progress=show, stop=stop)

    def announce() -> None:
        was_stopped.set()
        if not arguments.quiet:
            bar.announce("inrc: stopping after the next steps; press Ctrl-C again to abort")

    with jax_set_up(starts_devices=arguments.engine == "local"), bar:  # else workers need them
        totals = run_interruptibly(work, announce)
    if not arguments.quiet:
        say(f"{public(arguments.output)}: {_summary(totals)}")
    manifest = manifest_path(arguments.output)
    if arguments.json:
        places = {
            "input": public(arguments.input),
            "output": public(arguments.output),
            "manifest": manifest,
        }
        answer(as_json({**places, **_values(totals)}))
    if was_stopped.is_set() and totals.n_left:
        raise KeyboardInterrupt(f"interrupted with {totals.n_left:,} pictures left; the same command encodes them")
    if totals.n_without_file:
        raise InrcError(
            f"{totals.n_without_file:,} of {totals.n_items:,} pictures failed; their lines in {manifest} say why, and "
            "--again tries them again"
        )


def _engine(arguments: Batch, announce: Callable[[str], None]) -> "Engine":
    """Returns the engine that the arguments name.

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
        "n_failed": totals.n_without_file,
        "n_left": totals.n_left,
        "input_bytes": totals.input_bytes,
        "n_bytes": totals.n_bytes,
        "mean_psnr_db": totals.mean_psnr_db,
        "seconds": totals.seconds,
        "images_per_second": totals.images_per_second,
        "skipped": totals.skipped,
    }


def _summary(totals: "Totals") -> str:
    """Returns the line that ends a run."""
    from inrc.dataset.kinds import skipped_in_words

    parts = [f"{totals.n_done:,} pictures encoded"]
    if totals.n_kept:
        parts.append(f"{totals.n_kept:,} kept")
    if totals.n_left:
        parts.append(f"{totals.n_left:,} left")
    parts += results(totals)
    if skipped := skipped_in_words(totals.skipped):
        parts.append(skipped)
    return ", ".join(parts)


def results(totals: "Totals") -> list[str]:
    """Returns failures, bytes before and after, mean PSNR and speed, each in words and only where there is one."""
    parts = []
    if totals.n_without_file:
        parts.append(f"{totals.n_without_file:,} failed")
    if totals.n_done:
        parts.append(f"{amount(totals.input_bytes)} to {amount(totals.n_bytes)}")
    if not math.isnan(totals.mean_psnr_db):
        parts.append(f"{totals.mean_psnr_db:.2f} dB")
    if totals.n_done and totals.images_per_second:
        parts.append(f"{totals.images_per_second:.3g} images/s")
    return parts


def amount(n_bytes: float) -> str:
    """Returns a number of bytes as a user reads it."""
    if n_bytes < 1000:
        return f"{n_bytes:.0f} bytes"
    power = min(int(math.log10(n_bytes) / 3), 4)
    return f"{n_bytes / 1000**power:.3g} {('kB', 'MB', 'GB', 'TB')[power - 1]}"
