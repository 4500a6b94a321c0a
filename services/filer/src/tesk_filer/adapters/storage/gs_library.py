"""Tokens of Google for files of credentials that only google-auth knows.

It is imported for these alone: that costs more than a whole transfer. Where it makes its
requests itself, they are bounded in time from outside.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from tesk_filer.adapters.storage.access_tokens import AccessToken, within_deadline
from tesk_filer.adapters.storage.gs_keys import NO_CREDENTIALS, SCOPE
from tesk_filer.adapters.storage.http_bodies import BytesBody
from tesk_filer.adapters.storage.http_errors import may_pass
from tesk_filer.adapters.storage.rest import Request, RestClient
from tesk_filer.ports import StorageError

_NO_LIBRARY = "google-auth is not installed; install tesk-filer with its extra gs"
_USUAL = timedelta(hours=1)  # that a token is valid, if nothing tells


@dataclass(frozen=True, slots=True)
class _Answer:
    """A response as google-auth reads it."""

    status: int
    headers: Mapping[str, str]
    data: bytes


class LibraryIdentity:
    """An identity that google-auth finds."""

    def __init__(self, client: RestClient, key: str = "") -> None:
        """Send its requests by ``client``.

        Args:
            client: Sends.
            key: JSON of the key of a service account; "": the environment tells.

        Raises:
            StorageError: There are no credentials.
        """
        try:
            from google.auth.exceptions import (  # noqa: PLC0415 - see the module
                GoogleAuthError,
            )
        except ImportError as error:
            raise StorageError(_NO_LIBRARY) from error

        self._client = client
        self._may_pass = False  # what the last request met; google-auth does not tell
        try:
            self._credentials = within_deadline(partial(self._find, key))
        except (GoogleAuthError, ValueError, TypeError, AttributeError, KeyError):
            # The exception may quote the file.
            raise StorageError(NO_CREDENTIALS, transient=self._may_pass) from None

    @property
    def quota_project(self) -> str:
        """The project that pays for requests; "": that of the bucket."""
        return str(getattr(self._credentials, "quota_project_id", None) or "")

    def ask(self) -> AccessToken:
        """Ask for a token.

        Raises:
            StorageError: There is none.
        """
        from google.auth.exceptions import (  # noqa: PLC0415 - see the module
            GoogleAuthError,
        )

        credentials = self._credentials
        self._may_pass = False
        try:
            within_deadline(partial(credentials.refresh, self._send))
        except GoogleAuthError as error:
            raise StorageError(
                f"Google gives no token to the filer ({type(error).__name__}); check "
                "its credentials",
                transient=self._may_pass or bool(error.retryable),
            ) from error
        # It tells the time without a zone.
        ends = credentials.expiry or datetime.now(UTC) + _USUAL
        return AccessToken(str(credentials.token), ends.replace(tzinfo=UTC).timestamp())

    def _find(self, key: str) -> Any:
        if key:
            from google.oauth2.service_account import (  # noqa: PLC0415 - as above
                Credentials,
            )

            read: Any = Credentials.from_service_account_info  # without types
            return read(json.loads(key), scopes=(SCOPE,))
        import google.auth  # noqa: PLC0415 - as above

        find: Any = google.auth.default  # likewise
        credentials, _ = find(scopes=(SCOPE,), request=self._send)
        return credentials

    def _send(
        self,
        url: str,
        method: str = "GET",
        body: str | bytes | None = None,
        headers: Mapping[str, str] | None = None,
        **_others: object,
    ) -> _Answer:
        """Send a request of google-auth, which calls it its transport."""
        from google.auth.exceptions import (  # noqa: PLC0415 - see the module
            TransportError,
        )

        content = body.encode() if isinstance(body, str) else body or b""
        request = Request(
            method=method, url=url, headers=headers or {}, body=BytesBody(content)
        )
        try:
            response = self._client.send(request)
            self._may_pass = may_pass(response.status)
            return _Answer(response.status, response.headers, response.read_document())
        except StorageError as error:
            self._may_pass = error.transient
            make: Any = TransportError  # without types
            raise make(error.message, retryable=error.transient) from error
