"""Lines of a manifest: how they are written, and which of them are believed.

A line is a digest of what follows, keyed by the token of the attempt, a space, and
JSON. So no executor can write a line, none of another attempt is believed, and one that
was torn is none.

What was written when a machine failed may be lost, although the file system remembers
later writes. So each filer names the boot of its machine first; lines of another boot
count up to the last ``Synced`` alone, which is written when all data is on the disk.
"""

from collections.abc import Iterable, Iterator
from hashlib import blake2b

import msgspec

_DIGEST = 16  # bytes


class Started(msgspec.Struct, frozen=True, tag="started"):
    """A filer began to write; ``boot`` identifies the boot of its machine."""

    boot: str


class FileMoved(msgspec.Struct, frozen=True, kw_only=True, tag="file"):
    """A file has moved; ``key`` stands for path and url, ``wave`` is when it may."""

    key: str
    path: str
    size: int
    stamp: str
    etag: str = ""
    identity: str = ""
    digests: dict[str, str] = {}
    wave: int = 0


class FileBegun(msgspec.Struct, frozen=True, kw_only=True, tag="begun"):
    """The parts that follow are of this content."""

    key: str
    path: str
    size: int
    etag: str
    checksums: dict[str, str] = {}


class PartMoved(msgspec.Struct, frozen=True, kw_only=True, tag="part"):
    """A part is in the temporary file ``stamp``."""

    key: str
    start: int
    stop: int
    stamp: str


class Synced(msgspec.Struct, frozen=True, tag="synced"):
    """All that the lines before the offset ``end`` tell of is on the disk."""

    end: int


Entry = FileMoved | FileBegun | PartMoved
Record = Started | Entry | Synced


class Lines:
    """Writes and reads lines with the key of one transfer."""

    def __init__(self, token: str, transfer: str) -> None:
        """Use the token of the attempt.

        Args:
            token: A secret of attempt and filers.
            transfer: Attempt and direction.
        """
        self._key = blake2b(f"{transfer}\0{token}".encode(), digest_size=32).digest()
        self._decoder: msgspec.json.Decoder[Record] = msgspec.json.Decoder(Record)

    def key(self, path: str, url: str) -> str:
        """Return what stands for a path and a url, which may hold a secret."""
        return self._digest(f"{path}\0{url}".encode("utf-8", "surrogateescape"))

    def write(self, record: Record) -> bytes:
        """Return the line of a record."""
        text = msgspec.json.encode(record)
        return f"{self._digest(text)} ".encode() + text + b"\n"

    def read(self, line: bytes) -> Record | None:
        """Return the record of a line; None if it is not of this transfer, or torn."""
        digest, _, text = line.rstrip(b"\n").partition(b" ")
        if digest.decode("ascii", "replace") != self._digest(text):
            return None
        try:
            return self._decoder.decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None

    def _digest(self, data: bytes) -> str:
        return blake2b(data, digest_size=_DIGEST, key=self._key).hexdigest()


def believed(records: Iterable[tuple[int, Record]], boot: str) -> Iterator[Entry]:
    """Yield the records that are true at the present boot, in order.

    Args:
        records: Each with the offset of its line.
        boot: The present one.
    """
    writer = ""
    waiting: list[tuple[int, Entry]] = []
    for offset, record in records:
        if isinstance(record, Started):
            writer, waiting = record.boot, []
        elif isinstance(record, Synced):
            yield from (entry for at, entry in waiting if at < record.end)
            waiting = [(at, entry) for at, entry in waiting if at >= record.end]
        elif writer == boot:
            yield record
        else:
            waiting.append((offset, record))
