"""The list of sha256 digests of the files of a transfer, for the task's metadata.

Its lines are those of ``sha256sum``, so that ``sha256sum -c`` verifies files by it.
What is too long for an entry of metadata is replaced by the digest of the list.
"""

import hashlib

ALGORITHM = "sha256"
_MAX_BYTES = 4000  # the scheduler keeps 4 KiB of an entry


class DigestList:
    """Digests by container path; safe for many threads."""

    def __init__(self) -> None:
        """Begin with no files."""
        self._digests: dict[str, bytes] = {}

    def add(self, path: str, digest: str) -> None:
        """Add a file; of files with one path the last counts."""
        self._digests[path] = bytes.fromhex(digest)

    def text(self) -> str:
        """Return the list, sorted by its bytes, or its digest; "" if it is empty."""
        lines = sorted(
            f"{digest.hex()}  {path}\n".encode("utf-8", "replace")
            for path, digest in self._digests.items()
        )
        whole = b"".join(lines)
        if len(whole) <= _MAX_BYTES:
            return whole.decode()
        digest = hashlib.sha256(whole).hexdigest()
        return f"{digest} is the sha256 of the list of {len(lines):,} files"
