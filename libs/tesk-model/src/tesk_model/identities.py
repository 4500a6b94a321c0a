"""What a file was when it moved: its place, its size, and how the storage names its content."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class FileIdentity:
    """One file of a transfer, identified by its content.

    Attributes:
        direction: ``inputs`` or ``outputs``.
        url: Without credentials.
        path: In the container.
        size_bytes: Of the file.
        identity: Kind and value of what the storage names this content by, and no other
            at this url, as in ``etag "9b2c"``; "" if it has no such name.
    """

    direction: str
    url: str
    path: str
    size_bytes: int
    identity: str
