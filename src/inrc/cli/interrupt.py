"""Ctrl-C during work that is mostly compiled code, where Python itself notices an interruption late or never."""

import threading
from collections.abc import Callable
from typing import TypeVar

ResultT = TypeVar("ResultT")


def run_interruptibly(work: Callable[[threading.Event], ResultT], announce: Callable[[], None]) -> ResultT:
    """Runs `work` in a thread while this one waits for it and for Ctrl-C.

    The first Ctrl-C is announced at once and sets the event that `work` was given, which should then come to an end
    by itself; a second one is raised here while the thread still runs.

    Args:
      work: what to do.
      announce: says that work will end soon.

    Returns:
      What `work` returns.

    Raises:
      KeyboardInterrupt: On the second Ctrl-C.
    """
    stop, done = threading.Event(), threading.Event()
    results: list[ResultT] = []
    errors: list[BaseException] = []

    def target() -> None:
        try:
            results.append(work(stop))
        except BaseException as error:  # raised again in the thread that waits
            errors.append(error)
        finally:
            done.set()

    threading.Thread(target=target, name="inrc-worker", daemon=True).start()
    try:
        done.wait()
    except KeyboardInterrupt:
        stop.set()
        announce()
        done.wait()
    if errors:
        raise errors[0]
    return results[0]
