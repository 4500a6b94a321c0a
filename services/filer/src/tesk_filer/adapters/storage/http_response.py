"""Responses of HTTP as storages read them: every failure is a ``StorageError``."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from tesk_filer.adapters.storage.documents import read_document
from tesk_filer.adapters.storage.network import explain_connection
from tesk_filer.ports import StorageError

if TYPE_CHECKING:
    from tesk_filer.adapters.storage.http_pool import Exchange

_MAX_DOCUMENT = 64 * 1024 * 1024  # bytes of a listing; more than any service sends
_MAX_DRAINED = 64 * 1024  # bytes of a body that is not wanted
_DRAIN_STALL = 1.0  # seconds; waiting longer is not worth a connection


class Headers(Mapping[str, str]):
    """Headers of a response, by names in any case."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        """Take headers whose names are in lower case."""
        self._headers = headers

    def __getitem__(self, name: str) -> str:
        return self._headers[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._headers)

    def __len__(self) -> int:
        return len(self._headers)


class HttpResponse:
    """A response; close it."""

    def __init__(self, exchange: "Exchange", *, stall: float) -> None:
        """Read what ``exchange`` receives; ``stall``: seconds between two bytes."""
        self._exchange = exchange
        self._stall = stall
        self.status = exchange.response.status
        self.reason = exchange.response.reason
        self.headers = Headers(exchange.response.headers)

    @property
    def cookies(self) -> Sequence[str]:
        """The values of ``Set-Cookie``."""
        return self._exchange.response.cookies

    def read(self, size: int) -> bytes:
        """Return the next bytes of the body, at most ``size``; empty at the end.

        Raises:
            StorageError: The rest cannot be read.
        """
        try:
            return self._exchange.response.read(size)
        except OSError as error:
            raise explain_connection(error) from error

    def read_document(self, limit: int = _MAX_DOCUMENT) -> bytes:
        """Return all of the body, and close the response.

        Raises:
            StorageError: It is longer than ``limit`` bytes, takes too long, or cannot be
                read.
        """
        try:
            return read_document(self.read, limit=limit, stall=self._stall)
        finally:
            self.close()

    def finish(self) -> None:
        """Close the response whose body is not wanted.

        What is left of a short one is read, so that its connection serves others.
        """
        left = self._exchange.response.left
        try:
            if left is not None and left <= _MAX_DRAINED:
                read_document(self.read, limit=_MAX_DRAINED, stall=_DRAIN_STALL)
        except StorageError:
            pass  # the connection is not kept
        finally:
            self.close()

    def close(self) -> None:
        """Let the connection go; others use it if the body was read to its end."""
        self._exchange.close()
