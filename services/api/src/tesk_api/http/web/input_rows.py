"""Makes the rows of a task's inputs on its page; pure."""

from dataclasses import dataclass

from tesk_api.domain.report import format_size
from tesk_model.quantities import format_bytes
from tesk_model.references import is_reference
from tesk_model.task import FileType, Input, InputSize, Task


@dataclass(frozen=True, slots=True, kw_only=True)
class InputRow:
    """One input.

    Attributes:
        path: In the container.
        url: Where it comes from; "" for what is in the task itself.
        size: ``1.2 MB``, or why none is known.
        is_known: ``size`` is one.
    """

    path: str
    url: str
    size: str
    is_known: bool


def input_rows(task: Task) -> list[InputRow]:
    """Return a row for each input, in their order."""
    sizes = {each.index: each for each in task.input_sizes}
    unknown = _unknown(task)
    rows = []
    for index, entry in enumerate(task.inputs):
        known = _known(entry, sizes.get(index))
        mounted = "mounted" if is_reference(entry.url or "") else unknown
        row = InputRow(
            path=entry.path,
            url="" if entry.content else (entry.url or ""),
            size=known or mounted,
            is_known=bool(known),
        )
        rows.append(row)
    return rows


def _known(entry: Input, arrived: InputSize | None) -> str:
    if entry.content or not entry.url:
        return format_bytes(len((entry.content or "").encode()))
    if arrived is None:
        return ""
    is_folder = entry.type is FileType.DIRECTORY
    return format_size(arrived.size_bytes, arrived.files if is_folder else None)


def _unknown(task: Task) -> str:
    """Say that nothing is known of what arrived; of a task that is over, for good."""
    is_over = task.state is not None and task.state.is_final
    return "not known" if is_over else "not yet"
