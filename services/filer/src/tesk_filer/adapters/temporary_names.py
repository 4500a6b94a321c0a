"""Names that files have until they are complete.

A temporary file lies beside the file that it becomes, since only there a rename is
certain to be possible. So its name is one that no file which is moved can have: whoever
names files does not know the tag.
"""

import os
from hashlib import blake2b


def transfer_tag(attempt: str, secret: str) -> str:
    """Return what the temporary names of an attempt have in common.

    The same for each filer of the attempt, so that it finds what the last one left.

    Args:
        attempt: Its name, which tells people whose a file is that was left.
        secret: Of the attempt; without it the tag cannot be foreseen.
    """
    text = f"temporary names\0{attempt}\0{secret}"
    return f"{attempt}-{blake2b(text.encode(), digest_size=8).hexdigest()}"


def temporary_name(path: str, tag: str) -> str:
    """Return the hidden name under which the file at ``path`` is written.

    Files of one directory have different ones, however long their names are.
    """
    name = os.fsencode(path.rpartition("/")[2])
    return f".{tag}.{blake2b(name, digest_size=16).hexdigest()}.part"
