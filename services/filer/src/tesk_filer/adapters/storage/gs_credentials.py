"""Access tokens of Google, by google-auth.

It is imported when a request is signed: anonymous reads do not pay for it.
"""

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tesk_filer.adapters.storage.http_bodies import BytesBody
from tesk_filer.adapters.storage.rest import Request, RestClient
from tesk_filer.domain.credentials import GcsAccount
from tesk_filer.ports import StorageError

_SCOPES = ("https://www.googleapis.com/auth/devstorage.read_write",)
_NO_LIBRARY = "google-auth is not installed; install tesk-filer with its extra gs"
_NO_CREDENTIALS = (
    "no credentials for Google Cloud Storage; give the filer the key of a service "
    "account, or an identity of the cloud (GOOGLE_APPLICATION_CREDENTIALS, workload "
    "identity), or make access anonymous"
)


@dataclass(frozen=True, slots=True)
class _Answer:
    """A response as google-auth reads it."""

    status: int
    headers: Mapping[str, str]
    data: bytes


class GoogleTokens:
    """Signs requests; thread-safe. Tokens are kept until they expire."""

    def __init__(self, client: RestClient) -> None:
        """Ask for tokens by ``client``."""
        self._client = client
        self._lock = threading.Lock()
        self._found: dict[str, Any] = {}

    def headers(self, account: GcsAccount, method: str, url: str) -> dict[str, str]:
        """Return the headers that sign a request.

        Raises:
            StorageError: There are no credentials, or Google refuses them.
        """
        if account.anonymous:
            return {}
        # Its import costs a quarter of a second of CPU.
        try:
            from google.auth.exceptions import GoogleAuthError  # noqa: PLC0415
        except ImportError as error:
            raise StorageError(_NO_LIBRARY) from error

        signed: dict[str, str] = {}
        try:
            with self._lock:
                credentials = self._credentials(account.key)
                credentials.before_request(self._ask, method, url, signed)
        except GoogleAuthError as error:
            raise StorageError(
                f"Google gives no token to the filer ({type(error).__name__}); check "
                "its credentials",
                transient=bool(error.retryable),
            ) from error
        return signed

    def _ask(
        self,
        url: str,
        method: str = "GET",
        body: str | bytes | None = None,
        headers: Mapping[str, str] | None = None,
        **_others: object,
    ) -> "_Answer":
        """Send a request of google-auth, which calls it its transport."""
        from google.auth.exceptions import TransportError  # noqa: PLC0415

        content = body.encode() if isinstance(body, str) else body or b""
        request = Request(
            method=method, url=url, headers=headers or {}, body=BytesBody(content)
        )
        try:
            response = self._client.send(request)
            return _Answer(response.status, response.headers, response.read_document())
        except StorageError as error:
            make: Any = TransportError  # without types
            raise make(error.message, retryable=error.transient) from error

    def _credentials(self, key: str) -> Any:
        """Return the credentials of a key, or of the environment; found once."""
        if key not in self._found:
            self._found[key] = _from_key(key) if key else _ambient()
        found = self._found[key]
        if isinstance(found, StorageError):
            raise found
        return found


def _from_key(key: str) -> Any:
    from google.oauth2.service_account import Credentials  # noqa: PLC0415

    read: Any = Credentials.from_service_account_info  # without types
    try:
        return read(json.loads(key), scopes=_SCOPES)
    except (ValueError, TypeError, AttributeError, KeyError):
        # The exception may quote the key.
        return StorageError("its credentials are not the key of a service account")


def _ambient() -> Any:
    import google.auth  # noqa: PLC0415
    from google.auth.exceptions import DefaultCredentialsError  # noqa: PLC0415

    try:
        credentials, _ = google.auth.default(scopes=_SCOPES)
    except DefaultCredentialsError:
        # Each search asks the metadata service, and waits for it.
        return StorageError(_NO_CREDENTIALS)
    return credentials
