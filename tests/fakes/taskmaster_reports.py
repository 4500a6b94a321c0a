"""Reports as the launcher writes them."""

import json
from typing import Any


def make_report(code: int, **overrides: Any) -> str:
    """Return what the launcher writes at the end of a command."""
    fields = {
        "exit_code": code,
        "signal": 0,
        "terminated": False,
        "started_at": "2026-01-01T00:00:00.000Z",
        "ended_at": "2026-01-01T00:00:01.500Z",
        "max_rss_bytes": 5_242_880,
        "cpu_seconds": 1.1,
    }
    return json.dumps(fields | overrides)
