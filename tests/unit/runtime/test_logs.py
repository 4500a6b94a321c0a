"""Lines of logs in both formats."""

import io
import json
import logging
from collections.abc import Iterator
from contextlib import redirect_stderr
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

import pytest

from tesk_runtime.logs import LogSettings, configure


class Color(StrEnum):
    RED = "RED"


@pytest.fixture(autouse=True)
def usual_logs() -> Iterator[None]:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    root.handlers.clear()
    yield
    root.handlers[:] = before
    root.setLevel(level)


def written(
    format_: Literal["json", "text"],
    message: str,
    *,
    error: bool = False,
    **fields: Any,
) -> str:
    stream = io.StringIO()
    with redirect_stderr(stream):
        configure("filer", LogSettings(format=format_), {"task_id": "t-1"})
        logger = logging.getLogger("tesk.audit")
        try:
            raise ValueError("no") if error else KeyError
        except ValueError:
            logger.exception(message, extra=fields)
        except KeyError:
            logger.info(message, extra=fields)
    return stream.getvalue()


def test_json_lines_have_the_event_its_fields_and_those_of_the_process() -> None:
    line = json.loads(
        written("json", "task created", user='a"\n', state=Color.RED, seconds=0.5)
    )

    time = datetime.fromisoformat(line.pop("time"))
    assert time.utcoffset() is not None
    assert line == {
        "level": "INFO",
        "logger": "tesk.audit",
        "event": "task created",
        "service": "filer",
        "task_id": "t-1",
        "user": 'a"\n',
        "state": "RED",
        "seconds": 0.5,
    }


def test_json_lines_hold_what_no_format_knows_and_tracebacks() -> None:
    text = written("json", "broke", error=True, folder=Path("/a"), more={"x": (1, 2)})

    assert text.count("\n") == 1
    line = json.loads(text)
    assert (line["folder"], line["more"]) == ("/a", {"x": [1, 2]})
    assert line["exc_info"].endswith("ValueError: no")


def test_json_lines_hold_text_that_is_no_unicode() -> None:
    assert written("json", "moved", file="a\udcff").count("\n") == 1


def test_text_lines_show_fields_without_line_breaks() -> None:
    text = written("text", "task created", user="a\nb")

    assert text.count("\n") == 1
    assert "INFO filer: task created task_id=t-1 user=a" in text
