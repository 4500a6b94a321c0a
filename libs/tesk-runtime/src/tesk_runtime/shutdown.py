"""Turns SIGTERM and SIGINT into an event that loops can wait on.

Python runs its handlers on the main thread, between two of its steps. A signal
that comes just before that thread begins to wait for something would be seen
only when the wait ends, if ever. So the handlers do nothing, and a thread
waits for what the interpreter writes for each signal, whenever it comes.
"""

import os
import signal
import threading

_ENDING = (signal.SIGTERM, signal.SIGINT)


def stop_on_signals() -> threading.Event:
    """Return an event that SIGTERM and SIGINT set; call from the main thread."""
    stop = threading.Event()
    reader, writer = os.pipe()
    os.set_blocking(writer, False)

    def wait() -> None:
        while not stop.is_set():
            if set(os.read(reader, 64)) & set(_ENDING):
                stop.set()

    threading.Thread(target=wait, name="signals", daemon=True).start()
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    for number in _ENDING:
        signal.signal(number, lambda _signal, _frame: None)
    return stop
