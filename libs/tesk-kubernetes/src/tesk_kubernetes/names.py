"""In which namespace something is made.

By a hash, not by a list: whoever takes an attempt over finds its objects
without being told where they are.
"""

import zlib
from collections.abc import Sequence

from tesk_model.names import Attempt


def namespace_of(owner: Attempt | str, namespaces: Sequence[str]) -> str:
    """Return the namespace of an attempt, or of a taskmaster by its id.

    All attempts of a task are in one. ``namespaces`` must not be empty; when
    it changes, what was made before may be elsewhere.
    """
    key = owner.task_id if isinstance(owner, Attempt) else owner
    return namespaces[zlib.crc32(key.encode()) % len(namespaces)]
