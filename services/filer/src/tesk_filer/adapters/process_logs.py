"""Keeps what storages are told in secret out of the logs of a process."""

from collections.abc import Mapping

from tesk_filer.domain.redaction import Redactor
from tesk_runtime import logs

# Ambient credentials, which libraries read by themselves.
_SECRET_VARIABLES = (
    *("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"),
    *("AZURE_CLIENT_SECRET", "AZURE_PASSWORD"),
)


def hide_secrets(environ: Mapping[str, str]) -> Redactor:
    """Return what hides secrets, those of the environment among them; logs use it."""
    redactor = Redactor()
    for secret in map(environ.get, _SECRET_VARIABLES):
        redactor.add(secret or "")
    logs.redact(redactor)
    return redactor
