"""Events that stop tries of a transfer, one for each."""

import threading
from collections.abc import Callable


def halts(stop: threading.Event) -> Callable[[], threading.Event]:
    """Return what makes events of which ``stop`` sets the latest.

    Each try has its own: one that was halted may still have threads.
    """
    latest = threading.Event()

    def new() -> threading.Event:
        nonlocal latest
        latest = halt = threading.Event()
        if stop.is_set():
            halt.set()
        return halt

    def wait() -> None:
        stop.wait()
        latest.set()

    threading.Thread(target=wait, name="stop", daemon=True).start()
    return new
