"""Finds the inputs of a task that are references: mounted read-only, not transferred."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tesk_model.locations import InvalidLocationError
from tesk_model.paths import is_within, normalize
from tesk_model.references import ReferenceUrl, reference_of
from tesk_model.task import FileType, Task


class PlanError(Exception):
    """The task cannot be planned; the message names the field and says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """Reference data that executors see read-only.

    Attributes:
        field: The input, as TES writes it: ``inputs[2]``.
        path: Where executors see it; normalized.
        source: Its url.
        is_file: A single file; otherwise a directory.
    """

    field: str
    path: str
    source: ReferenceUrl
    is_file: bool

    @property
    def title(self) -> str:
        """Name it for people."""
        return f"{self.field}.url: {self.source}"

    @property
    def kind(self) -> str:
        """What it must be, for people."""
        return "file" if self.is_file else "directory"


def find_references(task: Task) -> Sequence[Reference]:
    """Return the references of a task, in order of path.

    Raises:
        PlanError: A url is malformed.
    """
    found: list[Reference] = []
    for index, entry in enumerate(task.inputs):
        field = f"inputs[{index}]"
        try:
            source = reference_of(entry)
        except InvalidLocationError as error:
            raise PlanError(f"{field}.url: {error}") from error
        if source is not None:
            found.append(
                Reference(
                    field=field,
                    path=normalize(entry.path),
                    source=source,
                    is_file=entry.type is FileType.FILE,
                )
            )
    return sorted(found, key=lambda reference: reference.path)


def is_in_reference(path: str, references: Iterable[Reference]) -> bool:
    """Tell whether the normalized ``path`` is, or is below, a reference."""
    return any(is_within(path, reference.path) for reference in references)


def refuse_writes(paths: Iterable[str], references: Sequence[Reference]) -> None:
    """Refuse paths that would have to be written at or below a reference.

    Raises:
        PlanError: There is one; the api refuses such tasks already.
    """
    for path in paths:
        for reference in references:
            if is_within(path, reference.path):
                raise PlanError(
                    f"{path} cannot be there: {reference.field} is a reference, which "
                    "is read-only"
                )
