"""Converts exceptions of boto3 and smart_open to those of ``s3_errors``."""

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ParamValidationError,
)

from tesk_filer.adapters.storage.network import explain_connection
from tesk_filer.adapters.storage.s3_errors import Refusal, explain
from tesk_filer.ports import HaltedError, StorageError


@contextmanager
def translated_sdk_errors() -> Iterator[None]:
    """Convert exceptions of boto3 and smart_open."""
    try:
        yield
    except (StorageError, HaltedError):
        raise
    except Exception as error:  # noqa: BLE001 - smart_open raises anything at all
        translated, cause = _translate(error)
        raise translated from cause


def _translate(error: Exception) -> tuple[StorageError, BaseException]:
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ClientError | BotoCoreError):
        cause = getattr(cause, "backend_error", None) or cause.__cause__
    if isinstance(cause, ClientError):
        return explain(_refusal(cause)), cause
    if isinstance(error, UnicodeEncodeError):
        return StorageError("its name is not valid UTF-8, as S3 wants"), error
    if isinstance(cause, ParamValidationError):
        return StorageError(f"is not a valid S3 url: {cause}"), cause
    return explain_connection(cause or error), cause or error


def _refusal(error: ClientError) -> Refusal:
    answer = error.response
    about = answer.get("ResponseMetadata", {})
    return Refusal(
        status=about.get("HTTPStatusCode", 0),
        code=str(answer.get("Error", {}).get("Code", "")),
        message=str(answer.get("Error", {}).get("Message", "")),
        headers=about.get("HTTPHeaders", {}),
    )
