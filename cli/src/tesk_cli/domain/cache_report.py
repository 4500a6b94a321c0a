"""Formats what the call cache did for a task."""

from collections.abc import Iterator, Mapping
from typing import Any

from tesk_model.text import escape_line

_NOTHING = "(nothing)"


def format_cache_report(report: Mapping[str, Any]) -> Iterator[str]:
    """Yield lines for people from what a server sent."""
    yield _line(f"{report.get('result', '')}: {report.get('explanation', '')}")
    for each in report.get("differences") or ():
        yield _line(f"  {each.get('field', '')}: {each.get('value') or _NOTHING}")
        yield _line(f"    there: {each.get('candidate_value') or _NOTHING}")
    if more := report.get("more_differences"):
        yield _line(f"  and {more} more")
    if report.get("reusable"):
        yield "its own results can be reused"
    elif why := report.get("not_reusable"):
        yield _line(f"its own results cannot be reused: {why}")


def _line(text: str) -> str:
    return escape_line(text)
