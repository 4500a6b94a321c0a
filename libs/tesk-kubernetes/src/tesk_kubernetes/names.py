"""Chooses the namespace of an object by a hash.

So a taskmaster that takes an attempt over finds its objects without a record of where
they are.
"""

import zlib
from collections.abc import Sequence

from tesk_model.names import Attempt


def namespace_of(owner: Attempt | str, namespaces: Sequence[str]) -> str:
    """Return the namespace of an attempt, or of a taskmaster by its id.

    All attempts of a task are in one. ``namespaces`` must not be empty; when
    it changes, older objects may be in another one.
    """
    key = owner.task_id if isinstance(owner, Attempt) else owner
    return namespaces[zlib.crc32(key.encode()) % len(namespaces)]
