"""Names that are made once: of requests, and of creates that must not repeat.

A random part of this process and a number. A uuid for each would ask the
kernel each time, and lose Python's lock to the other threads while it asks.
"""

import itertools
import secrets
from collections.abc import Callable

_RANDOM_BYTES = 12


def id_generator() -> Callable[[], str]:
    """Return a source of names; call it in the process that uses them.

    Whoever knows one name can guess the next of its source, so that what must
    stay unknown needs a source of its own.
    """
    prefix = secrets.token_hex(_RANDOM_BYTES)
    numbers = itertools.count(1)
    return lambda: f"{prefix}-{next(numbers)}"
