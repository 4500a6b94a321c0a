"""Decides how much memory the next attempt gets after an executor ran out of it.

A task asks for more by the backend parameters ``oom_memory_factor`` and
``oom_max_ram_gb``. What one task may have bounds it; the raised amount is charged, and is
what the taskmaster gets.
"""

import math

from tesk_model.quantities import bytes_from_gib, format_bytes
from tesk_scheduler.domain.dimensions import RAM
from tesk_scheduler.domain.quota import Amounts, Demand, Limit
from tesk_scheduler.domain.records import TaskRecord


def raised_demand(record: TaskRecord, most: Limit) -> Demand | None:
    """Return what the next attempt takes; None if it gets no more memory.

    Args:
        record: Of the task whose executor ran out of memory.
        most: That the task may have.
    """
    asked = record.parameters
    if asked.oom_memory_factor is None:
        return None
    present = record.demand[RAM]
    wanted: float = math.ceil(present * asked.oom_memory_factor)
    if asked.oom_max_ram_gb is not None:
        wanted = min(wanted, bytes_from_gib(asked.oom_max_ram_gb))
    wanted = min(wanted, most[RAM])
    if wanted <= present:
        return None
    more = Amounts(ram=int(wanted) - present)
    return record.demand.plus(more)


def format_raise(before: Demand, after: Demand) -> str:
    """Format the line of ``system_logs``."""
    old, new = format_bytes(int(before[RAM])), format_bytes(int(after[RAM]))
    return f"the next attempt gets {new} of memory instead of {old}"
