"""Tokens of the ambient identity of Azure: of a workload, an application or a machine.

These take one request each, which is made here: azure-identity, which finds every other
one, costs twice a whole start, and its requests have no deadline.

Source:
    Microsoft identity platform, "client credentials flow", with a secret or a federated
    credential; the variables are those of azure-identity and AKS. "Use managed
    identities on a virtual machine to acquire an access token", by HTTP.
"""

from collections.abc import Callable, Mapping
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path
from types import MappingProxyType

from tesk_filer.adapters.storage.access_tokens import (
    AccessToken,
    KeptToken,
    Lateness,
    OneAtATime,
    ask_by_form,
    code_of,
    open_metadata_client,
    read_token,
    within_deadline,
)
from tesk_filer.adapters.storage.rest import Dialect, Request, RestClient
from tesk_filer.ports import StorageError

_RESOURCE = "https://storage.azure.com/"
SCOPE = f"{_RESOURCE}.default"
"""That tokens are asked for."""
_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_AUTHORITY = "https://login.microsoftonline.com"
_MACHINE = "http://169.254.169.254"
_EARLY = timedelta(minutes=5)
_NO_LIBRARY = "azure-identity is not installed; install tesk-filer with its extra azure"
LATE = "Azure gives no token to the filer in time"
"""What to say of a service that may answer later."""
_SENSELESS = "Azure answers what is no token; check AZURE_AUTHORITY_HOST"
# What the metadata services of other clouds answer there.
_OF_OTHERS = frozenset(
    {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND}
)
# Identities that only the library knows, of variables that say so.
_OF_LIBRARY = (
    *("AZURE_CLIENT_CERTIFICATE_PATH", "AZURE_USERNAME"),
    *("IDENTITY_ENDPOINT", "MSI_ENDPOINT"),
)


def _dialect(text: str) -> Dialect:
    texts = MappingProxyType({"400": text, "401": text})
    return Dialect(name="Azure", code_of=code_of, texts=texts)


_WORKLOAD = _dialect(
    "Azure refuses the workload identity of the filer ({code}); check the federated "
    "credential of its ServiceAccount, AZURE_CLIENT_ID and AZURE_TENANT_ID"
)
_APPLICATION = _dialect(
    "Azure refuses the application of the filer ({code}); check AZURE_CLIENT_SECRET, "
    "AZURE_CLIENT_ID and AZURE_TENANT_ID"
)
_MANAGED = _dialect(
    "Azure refuses the managed identity of the filer ({code}); check AZURE_CLIENT_ID, "
    "and that the node has the identity"
)


class AzureTokens:
    """The token of the identity of the environment; thread-safe, kept until it ends."""

    def __init__(
        self,
        client: RestClient,
        environ: Mapping[str, str],
        *,
        lateness: Lateness | None = None,
    ) -> None:
        """Ask by ``client`` for what ``environ`` names.

        Args:
            client: Asks.
            environ: Variables of the process.
            lateness: Of the service of the machine.
        """
        self._client = client
        self._lateness = lateness or Lateness()
        self._environ = environ
        self._turns = OneAtATime()
        self._token = KeptToken(self._ask, _EARLY)
        self._absent: StorageError | None = None
        self._is_found = False  # by the library
        self._is_machine: bool | None = None  # not known yet
        self._library: Callable[[], AccessToken] | None = None

    def token(self) -> str:
        """Return a token.

        Raises:
            StorageError: There is no identity, or it gets none.
        """
        return self._turns.ask(self._kept)

    def _kept(self) -> str:
        if self._absent is not None:
            raise self._absent
        return self._token.get()

    def _ask(self) -> AccessToken:
        is_application = self._value("AZURE_TENANT_ID") and self._value(
            "AZURE_CLIENT_ID"
        )
        if is_application and (secret := self._value("AZURE_CLIENT_SECRET")):
            return self._of_application({"client_secret": secret}, _APPLICATION)
        if any(map(self._value, _OF_LIBRARY)):
            return self._of_library()
        if is_application and (file := self._value("AZURE_FEDERATED_TOKEN_FILE")):
            assertion = _read_assertion(file)
            fields = {
                "client_assertion_type": _ASSERTION,
                "client_assertion": assertion,
            }
            return self._of_application(fields, _WORKLOAD)
        token = self._of_machine()
        # Of a machine whose service is late nothing is known yet.
        return token or self._of_library(is_late=self._is_machine is None)

    def _of_application(
        self, proof: Mapping[str, str], dialect: Dialect
    ) -> AccessToken:
        """Ask for the token of an application, which ``proof`` is of."""
        fields = {
            "grant_type": "client_credentials",
            "client_id": self._value("AZURE_CLIENT_ID"),
            "scope": SCOPE,
            **proof,
        }
        authority = self._value("AZURE_AUTHORITY_HOST") or _AUTHORITY
        tenant = self._value("AZURE_TENANT_ID")
        url = f"{authority.rstrip('/')}/{tenant}/oauth2/v2.0/token"
        return read_token(ask_by_form(self._client, url, fields), dialect, _SENSELESS)

    def _of_machine(self) -> AccessToken | None:
        """Ask for the token of the machine's identity; None: it is none of Azure's."""
        if self._is_machine is False:
            return None
        host = self._value("AZURE_POD_IDENTITY_AUTHORITY_HOST") or _MACHINE
        query = {"api-version": "2018-02-01", "resource": _RESOURCE}
        if client := self._value("AZURE_CLIENT_ID"):
            query["client_id"] = client
        try:
            response = open_metadata_client().send(
                Request(
                    method="GET",
                    url=f"{host.rstrip('/')}/metadata/identity/oauth2/token",
                    query=query,
                    headers={"Metadata": "true"},
                )
            )
        except StorageError:
            if self._is_machine:
                raise
            if not self._lateness.record_failure():
                self._is_machine = False
            return None
        # It is being updated.
        is_gone = self._is_machine and response.status == HTTPStatus.NOT_FOUND
        self._is_machine = is_gone or response.status not in _OF_OTHERS
        if not self._is_machine:
            response.close()
            return None
        if is_gone or response.status == HTTPStatus.GONE:
            response.close()
            raise StorageError(LATE, transient=True)
        return read_token(response, _MANAGED, _SENSELESS)

    def _of_library(self, *, is_late: bool = False) -> AccessToken:
        try:
            self._library = self._library or self._open_library()
            token = within_deadline(self._library)
        except StorageError as error:
            if error.transient:
                raise
            if is_late:
                raise StorageError(error.message, transient=True) from error
            if not self._is_found:
                self._absent = error  # each search takes its time
            raise
        self._is_found = True
        return token

    def _open_library(self) -> Callable[[], AccessToken]:
        try:
            from tesk_filer.adapters.storage.azure_library import (  # noqa: PLC0415 - see the module
                LibraryIdentity,
            )
        except ImportError as error:
            raise StorageError(_NO_LIBRARY) from error
        has_endpoint = self._value("IDENTITY_ENDPOINT") or self._value("MSI_ENDPOINT")
        identity = LibraryIdentity(
            self._client.timeout,
            has_endpoint=bool(has_endpoint),
            client_id=self._value("AZURE_CLIENT_ID"),
        )
        return identity.ask

    def _value(self, name: str) -> str:
        return self._environ.get(name, "")


def _read_assertion(file: str) -> str:
    try:
        return Path(file).read_text("utf-8").strip()  # it rotates
    except (OSError, ValueError) as error:
        raise StorageError(
            "the token of its workload identity cannot be read "
            "(AZURE_FEDERATED_TOKEN_FILE)"
        ) from error
