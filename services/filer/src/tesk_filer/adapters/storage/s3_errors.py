"""Why S3 refused a request."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from types import TracebackType

from tesk_filer.adapters.storage.http_errors import may_pass
from tesk_filer.adapters.storage.network import explain_connection
from tesk_filer.adapters.storage.objects import RefusedError
from tesk_filer.adapters.storage.s3_messages import ErrorMessage, parse_error
from tesk_filer.domain.redaction import excerpt
from tesk_filer.ports import ChangedError, StorageError

_DENIED = (
    "access denied ({code}); check the credentials of the filer and the policy of the "
    "bucket"
)
_KNOWN = {
    "NoSuchBucket": 'the bucket does not exist ("{code}"); check its name and filer.s3_endpoint',
    "404": "does not exist (404)",
    "NoSuchKey": "does not exist (404); check the key",
    "403": _DENIED,
    "AccessDenied": _DENIED,
    "InvalidAccessKeyId": _DENIED,
    "SignatureDoesNotMatch": _DENIED,
    "ExpiredToken": _DENIED,
}
_TRANSIENT = frozenset(
    {"RequestTimeout", "OperationAborted", "RequestTimeTooSkewed", "InternalError"}
    # What was sent did not arrive as it was sent.
    | {"BadDigest", "XAmzContentSHA256Mismatch", "IncompleteBody"}
)
_THROTTLED = frozenset({"SlowDown", "Throttling", "TooManyRequests"})
# What a join may be told after the status of success, and no later try changes.
_LASTING = frozenset(
    {"AccessDenied", "NoSuchBucket", "NoSuchUpload", "MalformedXML", "InvalidRequest"}
    | {"InvalidPart", "InvalidPartOrder", "EntityTooSmall", "EntityTooLarge"}
    | {"QuotaExceeded", "XMinioStorageFull", "XMinioAdminBucketQuotaExceeded"}
)
_CHANGED = frozenset({"412", "PreconditionFailed", "416", "InvalidRange"})
_ABSENT = frozenset({"404", "NoSuchKey", "NotFound"})
_KEYS_REFUSED = frozenset(
    {"InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken"}
    | {"TokenRefreshRequired", "403"}
)
_MAX_REASON = 300  # characters
_MAX_CODE = 100
_MAX_WAIT = timedelta(minutes=5)  # that a service may ask for


class S3RefusedError(RefusedError):
    """S3 refused a request.

    Attributes:
        code: Of S3, or the status of HTTP.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str,
        transient: bool = False,
        throttled: bool = False,
        retry_after: timedelta | None = None,
    ) -> None:
        super().__init__(
            message, transient=transient, throttled=throttled, retry_after=retry_after
        )
        self.code = code
        # The key, and not the bucket.
        self.is_absent = code in _ABSENT

    @property
    def is_of_keys(self) -> bool:
        """Whether other keys may be let in."""
        return self.code in _KEYS_REFUSED

    @property
    def tells_why(self) -> bool:
        """Whether S3 gives a reason, as it never does in answers to HEAD."""
        return self.code != str(HTTPStatus.FORBIDDEN.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """The response of S3 to a request that it refuses; ``headers`` in lower case."""

    status: int
    code: str
    message: str
    headers: Mapping[str, str]


def explain_refusal(
    status: int, headers: Mapping[str, str], body: bytes
) -> StorageError:
    """Return why S3 refused a request, by its response."""
    error = parse_error(body)
    return explain(
        Refusal(status=status, code=error.code, message=error.message, headers=headers)
    )


def explain(refusal: Refusal) -> StorageError:
    """Return what a refusal means."""
    status, code = refusal.status, refusal.code or str(refusal.status)
    if code in _CHANGED:
        return ChangedError(f"changed while it was read ({code})")
    throttled = status in (429, 503) or code in _THROTTLED
    reason = excerpt(refusal.message, _MAX_REASON) or "no reason given"
    text = _KNOWN.get(code, f"S3 refuses: {reason} ({{code}})")
    return S3RefusedError(
        text.replace("{code}", excerpt(code, _MAX_CODE)),
        code=code,
        transient=throttled or may_pass(status) or code in _TRANSIENT,
        throttled=throttled,
        retry_after=_retry_after(refusal.headers),
    )


def explain_join(error: ErrorMessage) -> StorageError:
    """Return what an error means that came after the status of success.

    What is unknown may pass, as most that happens to a server while it joins parts.

    Source:
        Amazon S3, "CompleteMultipartUpload": the request may fail "after the initial
        200 OK response has been sent".
    """
    code, message = error.code, error.message
    if code in _LASTING:
        status = HTTPStatus.OK
        return explain(Refusal(status=status, code=code, message=message, headers={}))
    reason = excerpt(message, _MAX_REASON)
    return S3RefusedError(
        f"S3 did not join its parts: {reason} ({excerpt(code, _MAX_CODE)})",
        code=code,
        transient=True,
        throttled=code in _THROTTLED,
    )


def _retry_after(headers: Mapping[str, str]) -> timedelta | None:
    seconds = headers.get("retry-after", "")
    if not seconds.isdecimal():
        return None
    return min(timedelta(seconds=min(int(seconds), 86_400)), _MAX_WAIT)


class TranslatedErrors:
    """Converts failures of connections that happen in its block."""

    def __enter__(self) -> None:
        """Do nothing yet."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Raise the StorageError that ``error`` means."""
        if isinstance(error, UnicodeEncodeError):
            raise StorageError("its name is not valid UTF-8, as S3 wants") from error
        if isinstance(error, OSError):
            raise explain_connection(error) from error
