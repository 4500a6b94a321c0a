"""Compares a file with what it was when a candidate read or wrote it."""

from tesk_filer.domain.redaction import excerpt
from tesk_model.identities import FileIdentity
from tesk_model.locations import printable

_SHOWN = 100  # characters of an identity


def find_difference(
    before: FileIdentity | None, *, size: int | None, identity: str
) -> str:
    """Return how a file differs from what it was; "" if it does not.

    Args:
        before: What it was; None: there was no such file.
        size: Bytes now; None if unknown.
        identity: Now; "" if it has none.
    """
    if before is None:
        return "is new: it was not there before"
    if not (before.identity and identity):
        return "has nothing by which its content is known again"
    if (before.size_bytes, before.identity) == (size, identity):
        return ""
    then = _describe(before.size_bytes, before.identity)
    return f"is another one now: {_describe(size, identity)}, and was {then}"


def _describe(size: int | None, identity: str) -> str:
    shown = printable(excerpt(identity, _SHOWN))
    return f"{size:,} bytes, {shown}" if size is not None else shown
