"""Why AWS gives the filer no keys; imports botocore, as ``s3_environment`` explains.

Source:
    AWS STS, "AssumeRoleWithWebIdentity" and "Common Errors"; EKS, "Pod identities"; the
    exceptions of botocore.
"""

import re

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004 - botocore's
    CredentialRetrievalError,
    HTTPClientError,
    MetadataRetrievalError,
)
from botocore.parsers import ResponseParserError

from tesk_filer.adapters.storage.http_errors import may_pass
from tesk_filer.adapters.storage.network import explain_connection
from tesk_filer.adapters.storage.s3_environment import NO_KEYS
from tesk_filer.domain.redaction import excerpt
from tesk_filer.ports import StorageError

_REFUSED = (
    "AWS gives the filer no keys ({code}); check the role of its ServiceAccount or "
    "machine, and whom the role trusts"
)
_SILENT = "the service that gives the filer its keys of AWS does not answer"
_UNREADABLE = (
    "what the filer's environment names for AWS cannot be used ({reason}); check "
    "AWS_WEB_IDENTITY_TOKEN_FILE, AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE and "
    "credential_process"
)
_PASSING = frozenset({"IDPCommunicationError", "Throttling", "ThrottlingException"})
# What botocore calls the agent of a pod, and the service of a machine.
_ASKED = frozenset({"container-role", "iam-role"})
_STATUS = re.compile(r"non 200 response (\d{3})")
_MAX_CODE = 100


def explain_no_keys(error: Exception, status: int = 0) -> StorageError | None:
    """Return what it means that botocore finds no keys; None if it does not say that.

    Args:
        error: Of botocore.
        status: Of the last response of HTTP that it has got; 0: not known.
    """
    if isinstance(error, ClientError | ResponseParserError):
        return _of_service(error, status)
    if isinstance(error, HTTPClientError | ConnectionError):
        return explain_connection(error)
    if _is_of_agent(error):
        return _of_agent(error)
    if isinstance(error, OSError):
        return StorageError(_UNREADABLE.format(reason=error.strerror))
    if isinstance(error, BotoCoreError | ValueError):
        return StorageError(f"{NO_KEYS} ({type(error).__name__})")
    return None


def _is_of_agent(error: Exception) -> bool:
    if isinstance(error, CredentialRetrievalError):
        return error.kwargs.get("provider") in _ASKED
    # botocore raises the second where it is given keys whose time is over.
    return isinstance(error, MetadataRetrievalError | RuntimeError)


def _of_service(error: ClientError | ResponseParserError, met: int) -> StorageError:
    if isinstance(error, ResponseParserError):  # a page of a proxy, say
        return _of_status(met)
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    code = str(error.response.get("Error", {}).get("Code", "")) or str(status)
    return StorageError(
        _REFUSED.format(code=excerpt(code, _MAX_CODE)),
        transient=code in _PASSING or may_pass(status),
    )


def _of_agent(error: Exception) -> StorageError:
    """Tell what the agent of a pod, or the service of a machine, says or does not say."""
    status = _STATUS.search(str(error))
    if status is None:
        return StorageError(_SILENT, transient=True)
    return _of_status(int(status[1]))


def _of_status(code: int) -> StorageError:
    return StorageError(_REFUSED.format(code=f"HTTP {code}"), transient=may_pass(code))
