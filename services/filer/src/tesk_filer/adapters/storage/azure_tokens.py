"""Tokens of the ambient identity of Azure.

That of a workload in a cluster takes one request, which is made here: azure-identity,
which finds every other one, costs three times a whole start.

Source:
    Microsoft identity platform, "client credentials flow", with a federated credential;
    the variables are those that AKS sets.
"""

import json
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import urlencode

from tesk_filer.adapters.storage.http_bodies import BytesBody
from tesk_filer.adapters.storage.rest import (
    Dialect,
    Request,
    RestClient,
    RestResponse,
)
from tesk_filer.ports import StorageError

_SCOPE = "https://storage.azure.com/.default"
_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_AUTHORITY = "https://login.microsoftonline.com"
_EARLY = 300  # seconds before its end that a token is not used any more
_OK = 200
_NO_LIBRARY = "azure-identity is not installed; install tesk-filer with its extra azure"
_NO_IDENTITY = (
    "no credentials for Azure; give the filer a key or a shared access signature, or an "
    "identity of the cloud (workload identity, AZURE_CLIENT_ID, …)"
)
_REFUSED = (
    "Azure refuses the workload identity of the filer ({code}); check the federated "
    "credential of its ServiceAccount, AZURE_CLIENT_ID and AZURE_TENANT_ID"
)


def _code_of(response: RestResponse) -> str:
    """Return the code of an error, e.g. ``invalid_client``."""
    try:
        code = json.loads(response.read_document())["error"]
    except (StorageError, ValueError, LookupError, TypeError):
        return ""
    return code if isinstance(code, str) and code.replace("_", "").isalpha() else ""


_DIALECT = Dialect(
    name="Azure",
    code_of=_code_of,
    texts=MappingProxyType({"400": _REFUSED, "401": _REFUSED}),
)


class AzureTokens:
    """The token of the identity of the environment; thread-safe, kept until it ends."""

    def __init__(self, client: RestClient, environ: Mapping[str, str]) -> None:
        """Ask by ``client`` for the workload that ``environ`` names."""
        self._client = client
        self._environ = environ
        self._lock = threading.Lock()
        self._credential: Any = None
        self._token = ""
        self._ends = 0.0
        self._is_absent = False

    def token(self) -> str:
        """Return a token.

        Raises:
            StorageError: There is no identity, or it gets none.
        """
        with self._lock:
            if self._is_absent:
                raise StorageError(_NO_IDENTITY)
            if time.time() > self._ends - _EARLY:
                workload = self._of_workload()
                self._token, self._ends = workload or self._of_library()
            return self._token

    def _of_workload(self) -> tuple[str, float] | None:
        """Return the token of a workload, and its end; None if it is none."""
        names = ("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_FEDERATED_TOKEN_FILE")
        tenant, client, file = (self._environ.get(name, "") for name in names)
        if not (tenant and client and file):
            return None
        try:
            assertion = Path(file).read_text("utf-8").strip()  # it rotates
        except (OSError, ValueError) as error:
            raise StorageError(
                "the token of its workload identity cannot be read "
                "(AZURE_FEDERATED_TOKEN_FILE)"
            ) from error
        fields = {
            "grant_type": "client_credentials",
            "client_id": client,
            "client_assertion_type": _ASSERTION,
            "client_assertion": assertion,
            "scope": _SCOPE,
        }
        authority = self._environ.get("AZURE_AUTHORITY_HOST") or _AUTHORITY
        response = self._client.send(
            Request(
                method="POST",
                url=f"{authority.rstrip('/')}/{tenant}/oauth2/v2.0/token",
                headers={"Content-Type": "application/x-www-form-urlencoded"},
                body=BytesBody(urlencode(fields).encode()),
            )
        )
        if response.status != _OK:
            raise _DIALECT.error_of(response)
        try:
            found = json.loads(response.read_document())
            return str(found["access_token"]), time.time() + float(found["expires_in"])
        except (ValueError, LookupError, TypeError) as error:
            message = "Azure answers what is no token; check AZURE_AUTHORITY_HOST"
            raise StorageError(message) from error

    def _of_library(self) -> tuple[str, float]:
        # Their import costs a third of a second of CPU.
        try:
            from azure.core.exceptions import (  # noqa: PLC0415
                AzureError,
                ClientAuthenticationError,
            )
            from azure.identity import (  # noqa: PLC0415
                CredentialUnavailableError,
                DefaultAzureCredential,
            )
        except ImportError as error:
            raise StorageError(_NO_LIBRARY) from error

        connect, read = self._client.timeout
        try:
            self._credential = self._credential or DefaultAzureCredential(
                connection_timeout=connect, read_timeout=read
            )
            found = self._credential.get_token(_SCOPE)
        except CredentialUnavailableError as error:
            self._is_absent = True  # each search waits for the metadata service
            raise StorageError(_NO_IDENTITY) from error
        except ClientAuthenticationError as error:
            # It tells of every identity that was tried.
            raise StorageError(_NO_IDENTITY) from error
        except AzureError as error:
            message = "Azure gives no token to the filer in time"
            raise StorageError(message, transient=True) from error
        return str(found.token), float(found.expires_on)
