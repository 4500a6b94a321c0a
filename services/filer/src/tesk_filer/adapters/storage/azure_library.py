"""Tokens of Azure for identities that only azure-identity knows; imports it.

Its credentials tell by words alone what failed, if at all; what their services have
answered is noted beside them.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    ServiceRequestError,
    ServiceResponseError,
)
from azure.identity import (
    CredentialUnavailableError,
    DefaultAzureCredential,
    EnvironmentCredential,
    ManagedIdentityCredential,
)

from tesk_filer.adapters.storage.access_tokens import AccessToken
from tesk_filer.adapters.storage.azure_tokens import LATE, SCOPE
from tesk_filer.adapters.storage.http_errors import may_pass
from tesk_filer.ports import StorageError

_NO_IDENTITY = (
    "no credentials for Azure; give the filer a key or a shared access signature, or an "
    "identity of the cloud (workload identity, AZURE_CLIENT_ID, …)"
)


class LibraryIdentity:
    """The identity that azure-identity finds in the environment."""

    def __init__(
        self, timeout: tuple[float, float], *, has_endpoint: bool, client_id: str
    ) -> None:
        """Look for it.

        Args:
            timeout: Seconds to connect, and between two bytes.
            has_endpoint: The environment names a service of identities.
            client_id: Of which of them; "": the only one.

        Raises:
            StorageError: What the environment names is of no use.
        """
        connect, read = timeout
        options: Any = {
            "connection_timeout": connect,
            "read_timeout": read,
            "retry_connect": 1,  # the filer tries again
        }
        self._named: list[_Credential] = []
        try:
            self._named.append(_Credential(EnvironmentCredential, options))
            if has_endpoint:
                of_one = {**options, "client_id": client_id or None}
                self._named.append(_Credential(ManagedIdentityCredential, of_one))
            self._chain = DefaultAzureCredential(
                exclude_environment_credential=True,
                exclude_managed_identity_credential=has_endpoint,
                **options,
            )
        except ValueError as error:  # of a certificate, say
            raise StorageError(_NO_IDENTITY) from error

    def ask(self) -> AccessToken:
        """Ask for a token; without a deadline.

        Raises:
            StorageError: There is none.
        """
        try:
            found = self._find()
        # The last two are of an answer that is not the document that is read.
        except (ClientAuthenticationError, ValueError, AttributeError) as error:
            if isinstance(error.__cause__, ServiceRequestError | ServiceResponseError):
                raise StorageError(LATE, transient=True) from error
            # It tells of every identity that was tried.
            raise StorageError(_NO_IDENTITY) from error
        except AzureError as error:
            raise StorageError(LATE, transient=True) from error
        return AccessToken(str(found.token), float(found.expires_on))

    def _find(self) -> Any:
        for each in self._named:
            with suppress(CredentialUnavailableError):
                return each.get_token()
        return self._chain.get_token(SCOPE)


class _Credential:
    """A credential, and what its service has answered last.

    That is kept between questions: msal repeats refusals for some seconds by itself.
    """

    def __init__(self, make: Callable[..., Any], options: dict[str, Any]) -> None:
        self._may_pass = False
        self._credential = make(raw_response_hook=self._note, **options)

    def get_token(self) -> Any:
        try:
            return self._credential.get_token(SCOPE)
        except (AzureError, ValueError, AttributeError) as error:
            if self._may_pass:  # nor is another identity meant
                raise StorageError(LATE, transient=True) from error
            raise

    def _note(self, response: Any) -> None:
        self._may_pass = may_pass(response.http_response.status_code)
