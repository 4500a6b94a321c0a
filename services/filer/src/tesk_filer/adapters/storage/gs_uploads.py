"""Uploads to Google Cloud Storage in chunks.

Source:
    Cloud Storage, "Resumable uploads". The url of a session is a secret: it needs no
    other credentials.
"""

import hashlib
import threading
from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

from tesk_filer.adapters.storage.gs_documents import checked, parse_json
from tesk_filer.adapters.storage.http_bodies import BytesBody, FileBody
from tesk_filer.adapters.storage.http_exchange import Body
from tesk_filer.adapters.storage.http_response import HttpResponse
from tesk_filer.adapters.storage.rest import Request, RestClient
from tesk_filer.ports import Advance, Part, Source, StorageError
from tesk_filer.usecases.retry import Retry

CHUNK = 64 * 1024 * 1024
"""Bytes that are sent by one request."""

BACKOFF = timedelta(seconds=1)
"""Upper bound of the pause after a first failure."""

_MAX_BACKOFF = timedelta(seconds=16)
_TRIES = 8  # one after another: a service may be away for half a minute
_RESUME_INCOMPLETE = 308
_BINARY: Mapping[str, str] = MappingProxyType(
    {"Content-Type": "application/octet-stream"}
)


class _SessionEndedError(StorageError):
    """The service does not know the session any more."""


class ResumableUpload:
    """One upload in chunks; goes on after what the service has got."""

    def __init__(
        self,
        client: RestClient,
        session: str,
        *,
        source: Source,
        advance: Advance,
        chunk: int,
        backoff: timedelta,
    ) -> None:
        """Send ``source`` to the url ``session``."""
        self._client = client
        self._session = session
        self._source = source
        self._advance = advance
        self._chunk = chunk
        self._retry = Retry(
            tries=_TRIES,
            backoff=backoff,
            longest=_MAX_BACKOFF,
            halt=threading.Event(),
            listen=partial(advance, 0),
        )
        self._position = 0
        self._sent: FileBody | None = None  # until it is known what of it arrived
        self.digest = hashlib.md5(usedforsecurity=False)

    def send(self) -> dict[str, Any]:
        """Return what the service says of the object.

        Raises:
            StorageError: It did not get it, tried several times.
            HaltedError: The transfer was stopped.
        """
        while True:
            try:
                result = self._retry(self._proceed)
            except _SessionEndedError as error:
                raise StorageError(error.message, transient=True) from error
            if result is not None:
                return result

    def _proceed(self) -> dict[str, Any] | None:
        """Bring the service further; return what it says of a complete object.

        Source:
            Cloud Storage, "Resumable uploads": after a failure, also 429 and 503, ask
            how much is there, and send the rest.

        Raises:
            StorageError: It has no more than before.
        """
        before = self._position
        if self._sent is not None:
            result = self._learn(self._sent, self._put_range("*", BytesBody()))
            if result is not None or self._position > before:
                return result
        stop = min(before + self._chunk, self._source.size)
        self._sent = body = self._body(Part(before, stop))
        result = self._learn(body, self._put_range(f"{before}-{stop - 1}", body))
        if result is None and self._position == before:
            raise StorageError("the upload makes no progress", transient=True)
        return result

    def _learn(self, sent: FileBody, response: HttpResponse) -> dict[str, Any] | None:
        """Hear what arrived of ``sent``; return what is said of a complete object."""
        reached, result = self._outcome(response)
        self._sent = None
        sent.settle(max(reached - self._position, 0))
        if reached > self._position:
            self._body(Part(self._position, reached)).add_to(self.digest)
            self._position = reached
        return result

    def _body(self, part: Part) -> FileBody:
        size = part.stop - part.start
        return FileBody(self._source.descriptor, part.start, size, self._advance)

    def _put_range(self, span: str, body: Body) -> HttpResponse:
        content_range = f"bytes {span}/{self._source.size}"
        return self._client.send(
            Request(
                method="PUT",
                url=self._session,
                headers={"Content-Range": content_range, **_BINARY},
                body=body,
            )
        )

    def _outcome(self, response: HttpResponse) -> tuple[int, dict[str, Any] | None]:
        """Return how many bytes the service has, and the object if it is complete.

        Source:
            Cloud Storage, "Resumable uploads", errors: after 404 and 410 the upload
            begins anew, with another session.
        """
        if response.status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
            response.close()
            message = "the service has given up the upload (HTTP {})"
            raise _SessionEndedError(message.format(response.status))
        if response.status != _RESUME_INCOMPLETE:
            return self._source.size, parse_json(checked(response))
        last = response.headers.get("Range", "").rpartition("-")[2]
        response.close()
        if not last:
            return 0, None
        reached = int(last[:18]) + 1 if last.isdecimal() else 0
        if not 0 < reached <= self._source.size:
            raise StorageError("Google Cloud Storage says to have what was not sent")
        return reached, None
