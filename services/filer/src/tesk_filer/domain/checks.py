"""What is known of an input or output before a task runs."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from tesk_filer.domain.credential_table import TaskOwner
from tesk_model.locations import describe_url
from tesk_model.task import FileType, Input, Output


class Verdict(StrEnum):
    """Result of one check."""

    OK = "ok"
    FAILED = "failed"
    UNKNOWN = "unknown"


class WriteFound(NamedTuple):
    """What is known of whether a file could be written; ``message`` is for people."""

    verdict: Verdict
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What is known of one input or output.

    Attributes:
        field: As TES writes it: ``inputs[0]``.
        path: In the container.
        url: Without credentials; "" for content.
        message: What was done and found, for people.
        type: What is there; None: not known, or nothing.
        size: Bytes of a file, if the storage tells it.
    """

    field: str
    path: str
    url: str
    verdict: Verdict
    message: str
    type: FileType | None = None
    size: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LocationsToCheck:
    """The places that a task names, and for whom they are looked at.

    Attributes:
        request_id: Of the client, for logs.
    """

    owner: TaskOwner
    inputs: tuple[Input, ...] = ()
    outputs: tuple[Output, ...] = ()
    request_id: str = ""

    def entries(self) -> Iterator[tuple[str, Input | Output]]:
        """Yield each input, then each output, with its field."""
        for index, entry in enumerate(self.inputs):
            yield f"inputs[{index}]", entry
        for index, output in enumerate(self.outputs):
            yield f"outputs[{index}]", output


def unknown_check(field: str, entry: Input | Output, message: str) -> Check:
    """Return that nothing is known of an input or output, and why."""
    return Check(
        field=field,
        path=entry.path,
        url=describe_url(entry.url) if entry.url else "",
        verdict=Verdict.UNKNOWN,
        message=message,
    )
