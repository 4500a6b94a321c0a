"""Generates unique ids: of requests, and idempotency keys of creations.

An id is a random part of this process and a number. A uuid for each would call the
kernel each time, and lose Python's lock to the other threads meanwhile.
"""

import itertools
import secrets
from collections.abc import Callable

_RANDOM_BYTES = 12


def id_generator() -> Callable[[], str]:
    """Return a generator of ids; call this in the process that uses it.

    An id tells the next ones of its generator, so that secret ids need a generator
    of their own.
    """
    prefix = secrets.token_hex(_RANDOM_BYTES)
    numbers = itertools.count(1)
    return lambda: f"{prefix}-{next(numbers)}"
