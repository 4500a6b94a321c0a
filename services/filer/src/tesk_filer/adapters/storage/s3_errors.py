"""Converts exceptions of S3 libraries to ``StorageError``."""

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
)

from tesk_filer.adapters.storage.network import explain_connection
from tesk_filer.ports import ChangedError, HaltedError, StorageError


@contextmanager
def translated_errors() -> Iterator[None]:
    """Convert exceptions of boto3 and smart_open."""
    try:
        yield
    except (StorageError, HaltedError):
        raise
    except Exception as error:  # noqa: BLE001 - smart_open raises anything at all
        translated, cause = _explain(error)
        raise translated from cause


def _explain(error: Exception) -> tuple[StorageError, BaseException]:
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ClientError | BotoCoreError):
        cause = getattr(cause, "backend_error", None) or cause.__cause__
    if isinstance(cause, ClientError):
        return _client_error(cause), cause
    if isinstance(error, UnicodeEncodeError):
        return StorageError("its name is not valid UTF-8, as S3 wants"), error
    if isinstance(cause, NoCredentialsError | PartialCredentialsError):
        return StorageError(
            "no credentials for S3; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY "
            "for the filer, or filer.s3_anonymous"
        ), cause
    if isinstance(cause, ParamValidationError):
        return StorageError(f"is not a valid S3 url: {cause}"), cause
    return explain_connection(cause or error), cause or error


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
_TRANSIENT = frozenset({"RequestTimeout", "OperationAborted", "RequestTimeTooSkewed"})
_THROTTLED = frozenset({"SlowDown", "Throttling", "TooManyRequests"})
_CHANGED = frozenset({"412", "PreconditionFailed"})


def _client_error(error: ClientError) -> StorageError:
    code = error_code(error)
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    message = error.response.get("Error", {}).get("Message", "")
    text = _KNOWN.get(code, f"S3 refuses: {message} ({{code}})")
    if code in _CHANGED:
        return ChangedError(f"changed while it was read ({code})")
    throttled = status in (429, 503) or code in _THROTTLED
    return StorageError(
        text.replace("{code}", code),
        transient=throttled or status >= 500 or code in _TRANSIENT,  # noqa: PLR2004 - HTTP
        throttled=throttled,
    )


def error_code(error: BaseException | None) -> str:
    """Return the code of an S3 error, e.g. ``NoSuchKey``; "" of other exceptions."""
    if not isinstance(error, ClientError):
        return ""
    return str(error.response.get("Error", {}).get("Code", ""))
