"""How a service uses its memory: set once, by its ``main``."""

import ctypes
import gc

# Objects that are made, and not gone again, between two looks at the youngest ones.
# By default 700, which a handful of requests make; most go without the collector.
# Posts at 32 connections: 27 µs of each request before, 1.4 µs after.
_YOUNG_OBJECTS = 10_000

_MMAP_THRESHOLD = -3  # malloc.h: M_MMAP_THRESHOLD
_LARGE_BLOCK = 1024 * 1024


def tune_collector() -> None:
    """Look no more for cycles among what there is now, and less often in what is new.

    Call it when everything is wired and nothing is served yet.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS)


def return_large_blocks() -> None:
    """Have large blocks go back to the kernel when they are freed.

    glibc keeps blocks of a size that was freed before, up to 32 MiB, for each thread:
    some large bodies would leave hundreds of MiB behind.
    """
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):  # other C libraries do not
        libc.mallopt(_MMAP_THRESHOLD, _LARGE_BLOCK)
