"""The process on a Ray cluster that encodes chunks of a dataset. It writes files itself and streams their rows back."""

import os
import platform
import queue
import threading
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from typing import Any

import jax

from inrc.codec.batch import BatchEncoder
from inrc.dataset.manifest import Row
from inrc.dataset.pipeline import encode_tasks
from inrc.dataset.tasks import EncodeTask, RunOptions


class Worker:
    """Encodes chunks of tasks; Ray makes an actor of it."""

    def __init__(
        self,
        output: str,
        options: RunOptions,
        n_devices: int | None,
        jax_settings: Mapping[str, Any],
        environment: Mapping[str, str],
    ) -> None:
        """Sets JAX up as the driver has it.

        Args:
          output: path or URL of the folder of outputs.
          options: how to encode.
          n_devices: the number of JAX's CPU devices; None on a machine with accelerators.
          jax_settings: settings of JAX that the driver has.
          environment: environment variables that the driver has.
        """
        os.environ.update(environment)
        for name, value in jax_settings.items():
            jax.config.update(name, value)
        if n_devices is not None and "xla_force_host_platform_device_count" not in os.environ.get("XLA_FLAGS", ""):
            jax.config.update("jax_num_cpu_devices", n_devices)
        self._output = output
        self._options = options
        self._encoder = BatchEncoder(options.encode, batch_size=options.batch_size)
        self._stop = threading.Event()

    def about(self) -> tuple[str, str, int]:
        """Returns the release of inrc, the name of the machine and the id of this process."""
        return version("inrc"), platform.node(), os.getpid()

    def encode(self, tasks: Sequence[EncodeTask], writer: str) -> Iterator[list[Row]]:
        """Yields the rows of a chunk as its pictures are finished; `writer` is as for `encode_tasks`."""
        rows: queue.SimpleQueue[list[Row] | None] = queue.SimpleQueue()
        errors: list[BaseException] = []

        def work() -> None:
            try:
                encode_tasks(
                    tasks,
                    self._output,
                    self._options,
                    lambda some: rows.put(list(some)),
                    writer=writer,
                    encoder=self._encoder,
                    stop=self._stop,
                )
            except BaseException as error:
                errors.append(error)
            finally:
                rows.put(None)

        threading.Thread(target=work, name="inrc-chunk", daemon=True).start()
        while (some := rows.get()) is not None:
            yield some
        if errors:
            raise errors[0]

    def stop(self) -> None:
        """Ends the chunk after the next steps of its fit."""
        self._stop.set()
