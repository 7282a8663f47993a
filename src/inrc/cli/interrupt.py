"""Ctrl-C during compiled code, in which Python itself notices an interruption late or never."""

import signal
import threading
from collections.abc import Callable
from typing import TypeVar

ResultT = TypeVar("ResultT")

_NOTICED_AFTER_SECONDS = 0.1


def run_interruptibly(work: Callable[[threading.Event], ResultT], announce: Callable[[], None]) -> ResultT:
    """Runs `work` in a thread, while the main thread, which calls this, waits for the thread and for Ctrl-C.

    The first Ctrl-C is announced at once and sets the event that `work` takes; `work` should then end by itself. The
    second Ctrl-C is raised here, while the thread still runs. Where Ctrl-C is ignored, as under nohup, it stays so.

    Args:
      work: what to do; it takes the event that asks it to end.
      announce: tells the user that the work will end soon.

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

    def on_first(*_: object) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        stop.set()
        announce()

    previous = signal.getsignal(signal.SIGINT)
    if previous is signal.default_int_handler:
        signal.signal(signal.SIGINT, on_first)
    try:
        threading.Thread(target=target, name="inrc-worker", daemon=True).start()
        # The system may hand Ctrl-C to any thread, which does not wake this one; only this one runs Python's handlers.
        while not done.wait(_NOTICED_AFTER_SECONDS):
            pass
    finally:
        signal.signal(signal.SIGINT, previous)
    if errors:
        raise errors[0]
    return results[0]
