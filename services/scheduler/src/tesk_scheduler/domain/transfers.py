"""What a filer may say of its attempt, given what the task declares.

A filer has a token of its attempt and no other, so that whoever takes it over
may lie about that attempt alone; what cannot be is refused all the same.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tesk_model.errors import InvalidRequestError, Violation
from tesk_model.paths import is_within, normalize
from tesk_model.task import OutputFileLog

FILES_AT_ONCE = 10_000
UNDECLARED = "undeclared"
"""Source of the line of ``system_logs`` about files that no output declares."""

_WILDCARD = re.compile(r"[*?\[{]")
_USERINFO = re.compile(r"^([a-z][a-z0-9+.-]*://)[^/]*@", re.IGNORECASE)
_HTTP_QUERY = re.compile(r"^(https?://[^?]*)\?.*$", re.IGNORECASE | re.DOTALL)
_FTP_TYPE = re.compile(r";type=[aid]$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Target:
    """One output that a task declares."""

    path: str
    url: str


@dataclass(frozen=True, slots=True)
class Declared:
    """What of a task concerns its transfers.

    Attributes:
        ignores_error: Of each executor.
        targets: Its outputs.
    """

    ignores_error: Sequence[bool]
    targets: Sequence[Target]


def have_ended(declared: Declared, known: Sequence[tuple[int, int | None]]) -> bool:
    """Tell whether no executor of the task runs or will run any more.

    Args:
        declared: Of the task.
        known: (index, exit code) of those that started; None while one runs.
    """
    codes: Mapping[int, int | None] = dict(known)
    for index, ignores in enumerate(declared.ignores_error):
        code = codes.get(index)
        if code is None:
            return False
        if code and not ignores:
            return True
    return True


def have_begun(known: Sequence[tuple[int, int | None]]) -> bool:
    """Tell whether an executor has started: inputs cannot arrive any more."""
    return bool(known)


def check_counts(**counts: int) -> None:
    """Refuse what is less than nothing.

    Raises:
        InvalidRequestError: Names every count that is.
    """
    wrong = [name for name, count in counts.items() if count < 0]
    if wrong:
        raise InvalidRequestError(
            [Violation(name, "must not be negative") for name in wrong]
        )


def check_files(files: Sequence[OutputFileLog]) -> None:
    """Refuse files that cannot be, and too many at once.

    Raises:
        InvalidRequestError: Names the first few.
    """
    if len(files) > FILES_AT_ONCE:
        problem = f"must be at most {FILES_AT_ONCE}, not {len(files)}"
        raise InvalidRequestError([Violation("files", problem)])
    wrong = [index for index, file in enumerate(files) if file.size_bytes < 0]
    if wrong:
        raise InvalidRequestError(
            [
                Violation(f"files[{index}].size_bytes", "must not be negative")
                for index in wrong[:10]
            ]
        )


def is_declared(file: OutputFileLog, targets: Sequence[Target]) -> bool:
    """Tell whether some output can have brought ``file`` where it is said to be."""
    path = normalize(file.path)
    return ".." not in path.split("/") and any(
        is_within(path, _directory(target.path)) and _is_below(file.url, target.url)
        for target in targets
    )


def undeclared(count: int) -> str:
    """Say that files were not taken down."""
    return f"{count:,} uploaded files that no output declares are not listed"


def _directory(path: str) -> str:
    """Return what all matches of a path are in: itself, unless it is a pattern."""
    found = _WILDCARD.search(path)
    if found is None:
        return normalize(path)
    return normalize(path[: found.start()].rpartition("/")[0] or "/")


def _is_below(url: str, declared: str) -> bool:
    plain = _USERINFO.sub(r"\1", declared)
    base = _FTP_TYPE.sub("", _HTTP_QUERY.sub(r"\1", plain)).rstrip("/")
    if url in (declared, plain, base) or url.startswith((f"{base}/", f"{base}?")):
        return True
    # A password may hold what ends an authority; then the host is not shown.
    return "@" in declared and url.startswith(declared.partition("://")[0] + "://…")
