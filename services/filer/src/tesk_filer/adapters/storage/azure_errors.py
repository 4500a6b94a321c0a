"""What Azure says of requests that it refuses.

Source:
    Azure Storage REST, "Blob service error codes".
"""

from http import HTTPStatus
from types import MappingProxyType

from tesk_filer.adapters.storage.http_response import HttpResponse
from tesk_filer.adapters.storage.rest import Dialect

_DENIED = (
    "access denied ({code}); check the credentials of the filer and its roles at the "
    "account"
)


def _code_of(response: HttpResponse) -> str:
    """Return the code of an error, e.g. ``BlobNotFound``."""
    code: str = response.headers.get("x-ms-error-code", "")
    return code if code.isalnum() else ""


DIALECT = Dialect(
    name="Azure",
    code_of=_code_of,
    texts=MappingProxyType(
        {
            "401": _DENIED,
            "403": _DENIED,
            "404": "does not exist ({code}); check account, container and name",
            "AccountIsDisabled": "its storage account is disabled ({code})",
            "BlobArchived": "is in the archive tier ({code}); rehydrate it first",
            "ContainerNotFound": (
                "the container does not exist ({code}); check its name and the account"
            ),
            "InvalidBlobOrBlock": (
                "another upload to the same name is under way ({code})"
            ),
            "Md5Mismatch": "other bytes arrived than were sent ({code})",
            "PublicAccessNotPermitted": _DENIED,
        }
    ),
    transient=frozenset({"InvalidBlobOrBlock", "Md5Mismatch"}),
    of_bucket=frozenset({"ContainerNotFound"}),
)


def checked(response: HttpResponse) -> HttpResponse:
    """Return a successful response.

    Raises:
        StorageError: It is none.
    """
    if HTTPStatus.OK <= response.status < HTTPStatus.MULTIPLE_CHOICES:
        return response
    raise DIALECT.error_of(response)
