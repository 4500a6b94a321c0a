"""Storage accounts of Azure: where their blobs are, and how requests are signed.

A signature is made here, by Microsoft's published rule: their library's import costs
more than a whole transfer.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from email.utils import formatdate
from urllib.parse import parse_qsl, unquote, urlsplit

from tesk_filer.adapters.storage.azure_tokens import AzureTokens
from tesk_filer.adapters.storage.rest import Request
from tesk_filer.domain.credentials import AzureAccount
from tesk_filer.ports import StorageError
from tesk_model.locations import Location

_VERSION = "2021-12-02"  # of the REST interface
# The hosts of Azure's clouds: a token is sent to no other, unless the operator says so.
_AZURE_HOST = re.compile(
    r"([a-z0-9]{3,24})\.((?:z[0-9]{1,2}\.)?)(?:blob|dfs)\."
    r"(core\.(?:windows\.net|usgovcloudapi\.net|chinacloudapi\.cn)|storage\.azure\.net)"
)
# In the order of the string to sign; empty if a request lacks them.
_SIGNED = (
    "content-encoding",
    "content-language",
    "content-length",
    "content-md5",
    "content-type",
    "date",
    "if-modified-since",
    "if-match",
    "if-none-match",
    "if-unmodified-since",
    "range",
)
_NO_ACCOUNT = (
    "no storage account is known for it; give the filer an entry with the endpoint in "
    "its files of credentials, or write abfss://container@account.dfs.core.windows.net/…"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BlobPlace:
    """Where a blob is.

    Attributes:
        endpoint: Url of the blob service, without a slash at its end.
        container: Its name.
        key: Name of the blob; "" for the container itself.
    """

    endpoint: str
    container: str
    key: str

    @property
    def account(self) -> str:
        """Name of the account: begins the host, or is the path, as of emulators."""
        parts = urlsplit(self.endpoint)
        return parts.path.strip("/") or (parts.hostname or "").partition(".")[0]


def place_of(location: Location, account: AzureAccount) -> BlobPlace:
    """Return the blob that a location names.

    Raises:
        StorageError: Nothing tells the account, or it is none of Azure's.
    """
    endpoint = account.endpoint.rstrip("/")
    if location.scheme == "az":
        if not endpoint:
            raise StorageError(_NO_ACCOUNT)
        return BlobPlace(endpoint=endpoint, container=location.host, key=location.path)
    if location.scheme in ("abfs", "abfss"):
        container, _, host = location.host.partition("@")
        return BlobPlace(
            endpoint=endpoint or _endpoint_of(host),
            container=container,
            key=location.path,
        )
    endpoint = endpoint or location.root
    url = f"{location.root}{location.written}"
    if not url.startswith(f"{endpoint}/"):
        raise StorageError("is not below the endpoint of its storage account")
    container, _, key = url.removeprefix(f"{endpoint}/").partition("/")
    return BlobPlace(
        endpoint=endpoint,
        container=unquote(container),
        key=unquote(key, errors="surrogateescape"),
    )


def _endpoint_of(host: str) -> str:
    found = _AZURE_HOST.fullmatch(host.lower())
    if found is None:
        raise StorageError(
            "its host is no storage account of Azure; there is "
            "abfss://container@account.dfs.core.windows.net/path"
        )
    account, zone, cloud = found.groups()
    return f"https://{account}.{zone}blob.{cloud}"


class AzureSigner:
    """Signs requests; thread-safe."""

    def __init__(self, tokens: AzureTokens) -> None:
        """Take ``tokens`` where an account has neither key nor signature."""
        self._tokens = tokens

    def sign(self, request: Request, account: AzureAccount, name: str) -> Request:
        """Return the request with all that authorizes it for the account ``name``.

        Raises:
            StorageError: There are no credentials, or they are malformed.
        """
        headers = {**request.headers, "x-ms-version": _VERSION}
        if account.anonymous:
            return replace(request, headers=headers)
        if account.sas:
            sas = dict(parse_qsl(account.sas.removeprefix("?"), keep_blank_values=True))
            return replace(request, headers=headers, query={**request.query, **sas})
        headers["x-ms-date"] = formatdate(usegmt=True)
        if account.key:
            signature = _signature(replace(request, headers=headers), account.key, name)
            headers["Authorization"] = f"SharedKey {name}:{signature}"
        else:
            headers["Authorization"] = f"Bearer {self._tokens.token()}"
        return replace(request, headers=headers)


def _signature(request: Request, key: str, name: str) -> str:
    """Return the signature with a shared key.

    Source:
        Azure Storage, "Authorize with Shared Key": blob service, version 2015-02-21
        and later.
    """
    try:
        secret = base64.b64decode(key, validate=True)
    except binascii.Error as error:
        raise StorageError("the key of its storage account is not base64") from error
    headers = {each.lower(): value for each, value in request.headers.items()}
    headers["content-length"] = str(request.body.size or "")
    lines = [request.method, *(headers.get(each, "") for each in _SIGNED)]
    lines += [f"{each}:{headers[each]}" for each in sorted(headers) if "x-ms-" in each]
    lines.append(f"/{name}{urlsplit(request.url).path}" + _signed_query(request.query))
    text = "\n".join(lines).encode()
    return base64.b64encode(hmac.digest(secret, text, hashlib.sha256)).decode()


def _signed_query(query: Mapping[str, str]) -> str:
    return "".join(f"\n{name.lower()}:{query[name]}" for name in sorted(query))
