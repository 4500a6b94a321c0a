"""A file that is in memory, as it is read."""

import io
from dataclasses import dataclass, field

from tesk_filer.ports import NO_CHECKSUMS


@dataclass(slots=True)
class Content:
    """Bytes that are read like a file of a storage; satisfies ``ports.Reader``."""

    data: bytes
    etag: str = ""
    executable: bool = False
    _stream: io.BytesIO = field(init=False)

    checksums = NO_CHECKSUMS
    descriptor = None
    has_parts = False

    def __post_init__(self) -> None:
        """Stand at the beginning."""
        self._stream = io.BytesIO(self.data)

    @property
    def size(self) -> int:
        """See ``Reader``."""
        return len(self.data)

    def read(self, size: int) -> bytes:
        """See ``Reader``."""
        return self._stream.read(size)
