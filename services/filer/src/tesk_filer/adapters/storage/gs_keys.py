"""Tokens of Google for what is in the environment: keys of accounts, and machines.

Their requests are made here, by Google's published rules: the import of its library
costs more than a whole transfer, and its requests have no deadline.

Source:
    Google Identity, "Using OAuth 2.0 for Server to Server Applications", HTTP/REST;
    RFC 7523; Compute Engine, "Authenticate workloads using service accounts".
"""

import base64
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

from tesk_filer.adapters.storage.access_tokens import (
    AccessToken,
    Lateness,
    ask_by_form,
    code_of,
    read_token,
)
from tesk_filer.adapters.storage.http_errors import may_pass
from tesk_filer.adapters.storage.rest import Dialect, Request, RestClient
from tesk_filer.ports import StorageError

SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"
NO_CREDENTIALS = (
    "no credentials for Google Cloud Storage; give the filer the key of a service "
    "account, or an identity of the cloud (GOOGLE_APPLICATION_CREDENTIALS, workload "
    "identity), or make access anonymous"
)
GOOGLES = "googleapis.com"
"""The cloud ("universe") that is meant where a key names none."""

_NO_KEY = "its credentials are not the key of a service account"
_NO_LIBRARY = "cryptography is not installed; install tesk-filer with its extra gs"
_REFUSED = "Google gives no token to the filer ({code}); check its credentials"
_SENSELESS = "Google answers what is no token; check token_uri of its key"
_SILENT = "the metadata service, which gives the filer its token, does not answer"
_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_SECONDS = 3600  # that an assertion is valid
_METADATA = "metadata.google.internal"
_FLAVOR = ("Metadata-Flavor", "Google")
_DIALECT = Dialect(
    name="Google",
    code_of=code_of,
    texts=MappingProxyType({"400": _REFUSED, "401": _REFUSED, "403": _REFUSED}),
    transient=frozenset(
        {"internal_failure", "server_error", "temporarily_unavailable"}
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountKey:
    """The key of a service account.

    Attributes:
        quota_project: Pays for requests; "": the project of the bucket.
        universe: The cloud that it is of.
    """

    email: str
    private: str = field(repr=False)
    private_id: str
    token_url: str
    quota_project: str
    universe: str

    def ask(self, client: RestClient) -> AccessToken:
        """Ask Google for a token.

        Raises:
            StorageError: It gives none, or the key is none.
        """
        fields = {"grant_type": _GRANT, "assertion": self._assertion(time.time())}
        response = ask_by_form(client, self.token_url, fields)
        return read_token(response, _DIALECT, _SENSELESS)

    def _assertion(self, now: float) -> str:
        header = {"alg": "RS256", "typ": "JWT", "kid": self.private_id}
        claims = {
            "iss": self.email,
            "scope": SCOPE,
            "aud": self.token_url,
            "iat": int(now),
            "exp": int(now) + _SECONDS,
        }
        signed = f"{_encoded(header)}.{_encoded(claims)}"
        return f"{signed}.{_base64(_sign(signed.encode(), self.private))}"


def read_key(text: str) -> AccountKey:
    """Read the JSON of a key.

    Raises:
        StorageError: It is none.
    """
    try:
        found = json.loads(text)
        key = AccountKey(
            email=found["client_email"],
            private=found["private_key"],
            private_id=found.get("private_key_id") or "",
            token_url=found["token_uri"],
            quota_project=found.get("quota_project_id") or "",
            universe=found.get("universe_domain") or GOOGLES,
        )
        texts = (key.email, key.private, key.private_id, key.token_url, key.universe)
    except (ValueError, LookupError, TypeError, AttributeError):
        # The exception may quote the key.
        raise StorageError(_NO_KEY) from None
    if not all(isinstance(each, str) for each in (*texts, key.quota_project)):
        raise StorageError(_NO_KEY)
    return key


class MachineIdentity:
    """The account of the machine, or of the workload, that its metadata service knows."""

    def __init__(
        self,
        client: RestClient,
        environ: Mapping[str, str],
        *,
        lateness: Lateness | None = None,
    ) -> None:
        """Ask by ``client`` where ``environ`` says, or Google's own name.

        Args:
            client: Asks.
            environ: Variables of the process.
            lateness: Of the service.
        """
        self._client = client
        self._lateness = lateness or Lateness()
        host = environ.get("GCE_METADATA_HOST") or environ.get("GCE_METADATA_ROOT")
        self._url = (
            f"http://{host or _METADATA}/computeMetadata/v1/instance/service-accounts/"
            "default/token"
        )
        self._is_absent = False

    def ask(self) -> AccessToken:
        """Ask for a token.

        Raises:
            StorageError: There is none; transient while the service may only be late,
                and once it has answered.
        """
        if self._is_absent:
            raise StorageError(NO_CREDENTIALS)
        request = Request(
            method="GET",
            url=self._url,
            query={"scopes": SCOPE},
            headers=dict((_FLAVOR,)),
        )
        try:
            response = self._client.send(request)
        except StorageError as error:
            raise self._unanswered(passing=error.transient) from error
        name, flavor = _FLAVOR
        if response.status == HTTPStatus.NOT_FOUND or (
            response.headers.get(name, "") != flavor
        ):
            response.close()
            raise self._unanswered(passing=may_pass(response.status))
        self._lateness.record_answer()
        return read_token(response, _DIALECT, _SENSELESS)

    def _unanswered(self, *, passing: bool) -> StorageError:
        """Return what it means that nobody answers, or somebody else, as proxies do."""
        if self._lateness.has_answered:
            return StorageError(_SILENT, transient=True)
        is_late = passing and self._lateness.record_failure()
        self._is_absent = not is_late
        return StorageError(NO_CREDENTIALS, transient=is_late)


def _sign(text: bytes, key: str) -> bytes:
    """Sign by RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518, 3.3).

    Raises:
        StorageError: The key is none of RSA.
    """
    try:
        from cryptography.hazmat.primitives import hashes  # noqa: PLC0415 - an extra
        from cryptography.hazmat.primitives.asymmetric import (  # noqa: PLC0415
            padding,
        )
        from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415
            load_pem_private_key,
        )
    except ImportError as error:
        raise StorageError(_NO_LIBRARY) from error
    try:
        # The operator's own: to prove that its numbers are primes takes more CPU than
        # all of a small transfer. Google refuses what another key has signed.
        private: Any = load_pem_private_key(
            key.encode(), password=None, unsafe_skip_rsa_key_validation=True
        )
        signature: bytes = private.sign(text, padding.PKCS1v15(), hashes.SHA256())
    except (ValueError, TypeError, AttributeError):
        raise StorageError(_NO_KEY) from None
    return signature


def _encoded(claims: Mapping[str, object]) -> str:
    return _base64(json.dumps(claims, separators=(",", ":")).encode())


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
