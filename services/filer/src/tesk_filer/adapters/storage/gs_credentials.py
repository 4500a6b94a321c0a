"""Who the filer is at Google: which credentials are meant, and their headers.

A key of a service account and the identity of a machine or workload are asked for here
(``gs_keys``); other files of credentials are google-auth's (``gs_library``).
"""

import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from pathlib import Path

from tesk_filer.adapters.storage.access_tokens import (
    AccessToken,
    KeptToken,
    OneAtATime,
    open_metadata_client,
)
from tesk_filer.adapters.storage.gs_keys import GOOGLES, MachineIdentity, read_key
from tesk_filer.adapters.storage.gs_library import LibraryIdentity
from tesk_filer.adapters.storage.rest import RestClient
from tesk_filer.domain.credentials import GcsAccount
from tesk_filer.ports import StorageError

_EARLY = timedelta(seconds=225)  # a metadata service gives a new token 4 minutes before
_VARIABLE = "GOOGLE_APPLICATION_CREDENTIALS"
_MAX_BYTES = 1024 * 1024  # of a file with credentials


class _Identity:
    """Who signs, and who pays."""

    def __init__(self, ask: Callable[[], AccessToken], quota_project: str = "") -> None:
        self._token = KeptToken(ask, _EARLY)
        self._quota_project = quota_project

    def headers(self) -> dict[str, str]:
        signed = {"authorization": f"Bearer {self._token.get()}"}
        if self._quota_project:
            signed["x-goog-user-project"] = self._quota_project
        return signed


class GoogleTokens:
    """Signs requests; thread-safe. Tokens are kept until they expire."""

    def __init__(self, client: RestClient, environ: Mapping[str, str]) -> None:
        """Ask by ``client`` for tokens of a key, or of what ``environ`` names."""
        self._client = client
        self._environ = environ
        self._turns: dict[str, OneAtATime] = {}  # by key
        self._found: dict[str, _Identity | StorageError] = {}

    def headers(self, account: GcsAccount) -> dict[str, str]:
        """Return the headers that sign a request.

        Raises:
            StorageError: There are no credentials, or Google refuses them.
        """
        if account.anonymous:
            return {}
        turns = self._turns.setdefault(account.key, OneAtATime())
        return turns.ask(partial(self._signed, account.key))

    def _signed(self, key: str) -> dict[str, str]:
        found = self._found.get(key)
        if found is None:
            found = self._find(key)
        if isinstance(found, StorageError):
            raise found
        return found.headers()

    def _find(self, key: str) -> _Identity | StorageError:
        """Return who is meant by a key, or by none; lasting errors are kept, too."""
        found: _Identity | StorageError
        try:
            found = self._of_key(key) if key else self._ambient()
        except StorageError as error:
            if error.transient:
                raise
            found = error
        self._found[key] = found
        return found

    def _of_key(self, text: str) -> _Identity:
        key = read_key(text)
        if key.universe != GOOGLES:
            return self._of_library(text)
        return _Identity(partial(key.ask, self._client), key.quota_project)

    def _of_library(self, key: str = "") -> _Identity:
        identity = LibraryIdentity(self._client, key)
        return _Identity(identity.ask, identity.quota_project)

    def _ambient(self) -> _Identity:
        file = self._file()
        quota_project = self._environ.get("GOOGLE_CLOUD_QUOTA_PROJECT", "")
        if file is None:
            machine = MachineIdentity(open_metadata_client(), self._environ)
            return _Identity(machine.ask, quota_project)
        try:
            with file.open("rb") as opened:
                text = opened.read(_MAX_BYTES).decode()
            kind = json.loads(text).get("type")
        except (OSError, ValueError, AttributeError) as error:
            message = f"the credentials that {_VARIABLE} names cannot be read"
            raise StorageError(message) from error
        if kind == "service_account":
            return self._of_key(text)
        return self._of_library()

    def _file(self) -> Path | None:
        """Return the file of credentials that Google's tools would take."""
        if named := self._environ.get(_VARIABLE):
            return Path(named)
        home = self._environ.get("HOME", "/")
        folder = self._environ.get("CLOUDSDK_CONFIG") or f"{home}/.config/gcloud"
        file = Path(folder) / "application_default_credentials.json"
        return file if file.is_file() else None
