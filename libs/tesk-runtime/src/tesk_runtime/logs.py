"""Configures structured logs: a constant event name plus fields, one line each.

Use ``logger.info("task admitted", extra={"task_id": …})``; never format values
into the message, and never log a request body, a token or a url with userinfo.
"""

import json
import logging
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import msgspec

from tesk_model.text import escape_line, escape_lines

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


class LogSettings(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True
):
    """Level and format of logs."""

    level: Annotated[
        Literal["debug", "info", "warning", "error"],
        msgspec.Meta(description="Lowest level that is logged."),
    ] = "info"
    format: Annotated[
        Literal["text", "json"],
        msgspec.Meta(description="`json`: one object a line. `text`: for a terminal."),
    ] = "text"


class _TextFormatter(logging.Formatter):
    """``12:00:00 INFO scheduler: task admitted task_id=… owner=…``."""

    def __init__(self, service: str, always: Mapping[str, object]) -> None:
        super().__init__(
            f"%(asctime)s %(levelname)s {service}: %(message)s", "%H:%M:%S"
        )
        self._always = dict(always)

    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record)
        fields = " ".join(
            f"{key}={escape_line(str(value))}"
            for key, value in (self._always | _fields_of(record)).items()
        )
        first, newline, rest = line.partition("\n")
        return f"{first} {fields}".rstrip() + newline + escape_lines(rest)


class _JsonFormatter(logging.Formatter):
    """One object a line; each request and task has some, so that it must be quick."""

    def __init__(self, service: str, always: Mapping[str, object]) -> None:
        super().__init__()
        self._always = {"service": service, **always}
        self._encode = msgspec.json.Encoder(enc_hook=str).encode

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC),
            "level": record.levelname,
            "logger": record.name,
            "event": record.getMessage(),
            **self._always,
            **_fields_of(record),
        }
        if record.exc_info:
            line["exc_info"] = self.formatException(record.exc_info)
        try:
            return self._encode(line).decode()
        except (TypeError, ValueError):  # e.g. names of files that are not Unicode
            return json.dumps(line, default=str, skipkeys=True)


class _ChangingFormatter(logging.Formatter):
    """Formats as another, and changes what comes out."""

    def __init__(
        self, formatter: logging.Formatter, change: Callable[[str], str]
    ) -> None:
        super().__init__()
        self._formatter = formatter
        self._change = change

    def format(self, record: logging.LogRecord) -> str:
        return self._change(self._formatter.format(record))


def _fields_of(record: logging.LogRecord) -> dict[str, Any]:
    return {key: value for key, value in vars(record).items() if key not in _STANDARD}


def configure(
    service: str, settings: LogSettings, always: Mapping[str, object] | None = None
) -> None:
    """Send all logs of this process to stderr; called once, by ``main``.

    Args:
        service: Named in each line.
        settings: Level and format.
        always: More fields of each line.
    """
    handler = logging.StreamHandler(sys.stderr)
    kind = _JsonFormatter if settings.format == "json" else _TextFormatter
    handler.setFormatter(kind(service, dict(always or {})))
    logging.basicConfig(level=settings.level.upper(), handlers=[handler], force=True)


def redact(change: Callable[[str], str]) -> None:
    """Let ``change`` hide what must not be in logs; called after ``configure``."""
    for handler in logging.getLogger().handlers:
        inner = handler.formatter or logging.Formatter()
        handler.setFormatter(_ChangingFormatter(inner, change))
