"""Reads what ``tesk admin simulate`` needs: a quota and a trace."""

from math import inf
from pathlib import Path

from tesk_cli.domain.simulation.trace import Trace
from tesk_cli.domain.simulation.trace_swf import parse_swf
from tesk_cli.domain.simulation.trace_synthetic import PREFIX, parse_synthetic
from tesk_cli.domain.simulation.trace_tables import parse_table
from tesk_model.errors import InvalidRequestError, NotFoundError, Violation
from tesk_runtime.document_loading import (
    MAX_BYTES,
    InvalidDocumentError,
    document_text,
)
from tesk_scheduler.domain.dimensions import CPU
from tesk_scheduler.domain.quota import Limit, Quota
from tesk_scheduler.quota_config.conversion import quota_from_settings
from tesk_scheduler.quota_config.loading import load_quota

_SWF = ".swf"


def read_quota(path: Path) -> Quota:
    """Read a quota as the scheduler does, with a capacity to simulate.

    Raises:
        NotFoundError: There is no such file.
        InvalidRequestError: It is refused; with all that is wrong.
    """
    try:
        with path.open("rb") as file:
            settings = load_quota(document_text(file.read(MAX_BYTES + 1)))
    except FileNotFoundError as error:
        raise NotFoundError(f"no such file: {path}") from error
    except OSError as error:
        raise _invalid("QUOTA", f"cannot be read: {error}") from error
    except InvalidDocumentError as error:
        raise InvalidRequestError(
            [
                Violation(f"QUOTA {each.path}".rstrip(), each.text)
                for each in error.problems
            ]
        ) from error
    quota = quota_from_settings(settings, Limit())
    bound = min(quota.capacity[CPU], quota.everybody[CPU])
    if bound == inf and settings.capacity != "unlimited":
        problem = (
            "a simulation knows no nodes: give numbers, such as"
            " {cpu: 64, ram_gb: 256}, or `unlimited`"
        )
        raise _invalid("QUOTA capacity", problem)
    return quota


def read_trace(name: str) -> Trace:
    """Read or make up a trace.

    Args:
        name: A file, of the Standard Workload Format if its name ends in ``.swf``; or
            ``synthetic:…``.

    Raises:
        NotFoundError: There is no such file.
        InvalidRequestError: It is no trace; the message names the line.
    """
    if name.startswith(PREFIX):
        return parse_synthetic(name.removeprefix(PREFIX))
    parse = parse_swf if name.lower().endswith(_SWF) else parse_table
    try:
        with Path(name).open(encoding="utf-8", newline=None) as lines:
            return parse(lines)
    except FileNotFoundError as error:
        raise NotFoundError(f"no such file: {name}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise _invalid("TRACE", f"cannot be read: {error}") from error


def _invalid(place: str, problem: str) -> InvalidRequestError:
    return InvalidRequestError([Violation(place, problem)])
