"""Configures structured logs: a constant event name plus fields, one line each.

Use ``logger.info("task admitted", extra={"task_id": …})``; never format values
into the message, and never log a request body, a token or a url with userinfo.
"""

import logging
import sys
from typing import Annotated, Literal

import msgspec
from pythonjsonlogger.json import JsonFormatter

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

    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record)
        fields = " ".join(
            f"{key}={escape_line(str(value))}"
            for key, value in vars(record).items()
            if key not in _STANDARD
        )
        first, newline, rest = line.partition("\n")
        return f"{first} {fields}".rstrip() + newline + escape_lines(rest)


def configure(service: str, settings: LogSettings) -> None:
    """Send all logs of this process to stderr; called once, by ``main``."""
    handler = logging.StreamHandler(sys.stderr)
    if settings.format == "json":
        handler.setFormatter(
            JsonFormatter(
                ["asctime", "levelname", "name", "message"],
                rename_fields={
                    "asctime": "time",
                    "levelname": "level",
                    "name": "logger",
                    "message": "event",
                },
                static_fields={"service": service},
            )
        )
    else:
        handler.setFormatter(
            _TextFormatter(
                f"%(asctime)s %(levelname)s {service}: %(message)s", "%H:%M:%S"
            )
        )
    logging.basicConfig(level=settings.level.upper(), handlers=[handler], force=True)
