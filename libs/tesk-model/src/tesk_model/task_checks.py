"""What a server tells of a task before it is created; not part of TES.

The classes have the fields of the messages of ``tesk.v1`` with the same names, from
which converters are compiled (``tesk_runtime.rpc.documents``).
"""

from dataclasses import dataclass

from tesk_model.task import Wait


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitUse:
    """One limit that a task would count against, in the units of ``Resources``.

    Attributes:
        scope: As of ``Wait``; also ``task``: the most that any one task may have.
        subject: Name of that user, group or namespace, if it has one.
        dimension: As of ``Wait``, and ``queued``.
        used: In use now; None for ``task``.
        limit: The most that may be.
        needed: What the task adds.
    """

    scope: str
    subject: str | None = None
    dimension: str
    used: float | None = None
    limit: float
    needed: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where a task would run, as far as a scheduler knows it.

    Attributes:
        runtime: ``machine`` (that of the server) or ``cluster``.
        namespaces: Of the cluster; the id of the task will choose one.
        layout: That it asks for; None: the taskmaster decides.
        nodes: On which tasks may run; None if they are not known.
        fitting_nodes: Those that would have room for it if nothing else ran.
    """

    runtime: str
    namespaces: tuple[str, ...] = ()
    layout: str | None = None
    nodes: int | None = None
    fitting_nodes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskForecast:
    """What a task would meet if it were created now.

    Attributes:
        limits: All that bind it, whether or not they leave room.
        reason: What it would wait for; "" if it would start at once.
        reason_code: The same for programs.
        wait: The same as data.
        warnings: Lines that its ``system_logs`` would begin with.
    """

    limits: tuple[LimitUse, ...] = ()
    placement: Placement | None = None
    reason: str = ""
    reason_code: str = ""
    wait: Wait | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LocationCheck:
    """What is known of one input or output.

    Attributes:
        field: As TES writes it: ``inputs[0]``.
        path: In the container.
        url: Without credentials; "" for an input with content.
        verdict: ``ok``, ``failed`` or ``unknown``.
        message: What was done and found, for people.
        type: What is there, ``FILE`` or ``DIRECTORY``; None: not known, or nothing.
        size_bytes: Of a file, if the storage tells it.
    """

    field: str
    path: str
    url: str
    verdict: str
    message: str
    type: str | None = None
    size_bytes: int | None = None
