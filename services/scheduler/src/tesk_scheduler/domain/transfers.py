"""Checks what a filer reports of its attempt against what the task declares.

A filer has the token of its attempt and no other, so that an attacker who controls
it may lie about that attempt alone; impossible reports are refused all the same.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf

from tesk_model.errors import InvalidRequestError, Violation
from tesk_model.locations import InvalidLocationError, parse_location, with_parents
from tesk_model.paths import literal_directory, normalize
from tesk_model.patterns import (
    braced_url,
    first_wildcard,
    has_alternatives,
    unescape_wildcards,
)
from tesk_model.schemes import SCHEMES
from tesk_model.task import InputSize, OutputFileLog
from tesk_scheduler.domain.bounds import INPUT_SIZES
from tesk_scheduler.domain.occurrences import Moved

FILES_AT_ONCE = 10_000
UNDECLARED = "undeclared"
"""Source of the line of ``system_logs`` about files that no output declares."""
UNTOLD = "unknown"
"""Scheme of moved files if the filer does not report one."""
CONTENT = "content"
"""Stands for the scheme of inputs whose content is in the task."""

CACHE = "cache"
"""Stands for the scheme of inputs that filers took from their cache."""

_SCHEMES = frozenset({CONTENT, CACHE, *SCHEMES})


@dataclass(frozen=True, slots=True)
class DeclaredOutput:
    """One output that a task declares."""

    path: str
    url: str


@dataclass(frozen=True, slots=True)
class TaskDeclaration:
    """What a task declares, as far as its transfers need it.

    Attributes:
        ignores_error: Of each executor.
        outputs: All of them.
    """

    ignores_error: Sequence[bool]
    outputs: Sequence[DeclaredOutput]


def executors_have_ended(
    declared: TaskDeclaration, known: Sequence[tuple[int, int | None]]
) -> bool:
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


def executors_have_started(known: Sequence[tuple[int, int | None]]) -> bool:
    """Tell whether an executor has started: inputs cannot arrive any more."""
    return bool(known)


def check_counts(**counts: float) -> None:
    """Refuse negative counts, and what is no number.

    Raises:
        InvalidRequestError: Names each of them.
    """
    wrong = [name for name, count in counts.items() if not 0 <= count < inf]
    if wrong:
        raise InvalidRequestError(
            [Violation(name, "must not be negative") for name in wrong]
        )


def check_files(files: Sequence[OutputFileLog]) -> None:
    """Refuse files with negative sizes, and too many at once.

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


def check_input_sizes(sizes: Sequence[InputSize]) -> None:
    """Refuse negative numbers, an index that no task has or that is there twice.

    Raises:
        InvalidRequestError: Names the first of them.
    """
    seen: set[int] = set()
    for position, each in enumerate(sizes):
        name = f"input_sizes[{position}]"
        check_counts(
            **{f"{name}.files": each.files, f"{name}.size_bytes": each.size_bytes}
        )
        if each.index in seen or not 0 <= each.index < INPUT_SIZES:
            problem = f"must be another one of 0 to {INPUT_SIZES - 1}"
            raise InvalidRequestError([Violation(f"{name}.index", problem)])
        seen.add(each.index)


class Destinations:
    """The places that outputs of a task may have; looked up in constant time."""

    def __init__(self, outputs: Iterable[DeclaredOutput]) -> None:
        """Index what each of ``outputs`` allows."""
        self._places: dict[str, set[str]] = {}
        for output in outputs:
            place = _declared_place(output)
            if place is not None:
                self._places.setdefault(_directory(output.path), set()).add(place)

    def allow(self, file: OutputFileLog) -> bool:
        """Tell whether some output may have uploaded ``file`` to its url."""
        path = normalize(file.path)
        if ".." in path.split("/"):
            return False
        try:
            places = set(with_parents(parse_location(file.url).canonical))
        except InvalidLocationError:
            return False
        return any(
            not places.isdisjoint(self._places.get(each, ()))
            for each in _ancestors(path)
        )


def by_scheme(moved: Iterable[Moved]) -> tuple[Moved, ...]:
    """Add up by known schemes; a filer may report any text."""
    sums: dict[str, Moved] = {}
    for each in moved:
        name = each.scheme if each.scheme in _SCHEMES else UNTOLD
        before = sums.get(name, Moved(scheme=name, files=0, bytes=0))
        sums[name] = Moved(
            scheme=name,
            files=before.files + each.files,
            bytes=before.bytes + each.bytes,
            seconds=before.seconds + each.seconds,
            failed=before.failed + each.failed,
        )
    return tuple(sums.values())


def format_undeclared(count: int) -> str:
    """Format the line that uploaded files are not listed."""
    return f"{count:,} uploaded files that no output declares are not listed"


def _directory(path: str) -> str:
    """Return the directory that all matches of a path are in; no pattern: the path."""
    plain = normalize(path)
    if first_wildcard(plain) is None and not has_alternatives(plain):
        return unescape_wildcards(plain)
    return literal_directory(plain)


def _declared_place(output: DeclaredOutput) -> str | None:
    """Return the place that an output's files have or are below; None if invalid."""
    path, declared = normalize(output.path), output.url
    if has_alternatives(path) and (braced := braced_url(path, declared)):
        declared = braced.above
    try:
        return parse_location(declared).canonical
    except InvalidLocationError:
        return None


def _ancestors(path: str) -> Iterator[str]:
    """Return an absolute path and every directory above it."""
    while path != "/":
        yield path
        path = path.rpartition("/")[0] or "/"
    yield path
