"""Uploads to Google Cloud Storage in chunks.

Source:
    Cloud Storage, "Resumable uploads". The url of a session is a secret: it needs no
    other credentials.
"""

import hashlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from tesk_filer.adapters.storage.gs_documents import checked, parse_json
from tesk_filer.adapters.storage.http_bodies import BytesBody, FileBody
from tesk_filer.adapters.storage.http_exchange import Body
from tesk_filer.adapters.storage.http_response import HttpResponse
from tesk_filer.adapters.storage.rest import Request, RestClient
from tesk_filer.ports import Advance, Part, Source, StorageError

CHUNK = 64 * 1024 * 1024
"""Bytes that are sent by one request."""

_MAX_FAILURES = 5  # one after another
_RESUME_INCOMPLETE = 308
_BINARY: Mapping[str, str] = MappingProxyType(
    {"Content-Type": "application/octet-stream"}
)


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
    ) -> None:
        """Send ``source`` to the url ``session``."""
        self._client = client
        self._session = session
        self._source = source
        self._advance = advance
        self._chunk = chunk
        self.digest = hashlib.md5(usedforsecurity=False)

    def send(self) -> dict[str, Any]:
        """Return what the service says of the object.

        Raises:
            StorageError: It did not get it, tried several times.
        """
        position, failures = 0, 0
        while True:
            part = Part(position, min(position + self._chunk, self._source.size))
            body = self._body(part)
            try:
                reached, result = self._outcome(self._send_part(part, body))
            except StorageError as error:
                if not error.transient or error.throttled or failures >= _MAX_FAILURES:
                    raise
                reached, result = self._outcome(self._ask())
            if result is not None:
                reached = self._source.size
            body.settle(max(reached - position, 0))
            if reached > position:
                failures = 0
                self._body(Part(position, reached)).add_to(self.digest)
                position = reached
            elif failures >= _MAX_FAILURES:
                raise StorageError("the upload makes no progress", transient=True)
            else:
                failures += 1
            if result is not None:
                return result

    def _send_part(self, part: Part, body: FileBody) -> HttpResponse:
        content_range = f"bytes {part.start}-{part.stop - 1}/{self._source.size}"
        return self._put(content_range, body)

    def _body(self, part: Part) -> FileBody:
        size = part.stop - part.start
        return FileBody(self._source.descriptor, part.start, size, self._advance)

    def _ask(self) -> HttpResponse:
        return self._put(f"bytes */{self._source.size}", BytesBody())

    def _put(self, content_range: str, body: Body) -> HttpResponse:
        return self._client.send(
            Request(
                method="PUT",
                url=self._session,
                headers={"Content-Range": content_range, **_BINARY},
                body=body,
            )
        )

    def _outcome(self, response: HttpResponse) -> tuple[int, dict[str, Any] | None]:
        """Return how many bytes the service has, and the object if it is complete."""
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
