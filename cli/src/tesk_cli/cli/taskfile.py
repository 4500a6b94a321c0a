"""Reads a task from a file or standard input and replaces its placeholders."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tesk_cli.domain.placeholders import replace_placeholders
from tesk_model.errors import InvalidRequestError, NotFoundError, Violation


def read_task(name: str, working_folder: Callable[[], Path]) -> bytes:
    """Return the JSON document that ``name`` (``-``: standard input) holds.

    Args:
        name: Path of the file.
        working_folder: Returns the folder for ``${PWD}``; called if that occurs.

    A document that is not plain JSON is returned unchanged, so that the
    validator can report what is wrong with it.

    Raises:
        NotFoundError: There is no such file.
        InvalidRequestError: It cannot be read.
    """
    body = _read(name)
    try:
        document = json.loads(body, object_pairs_hook=_unique)
    except (ValueError, RecursionError):
        return body
    folders = {"TASK_DIR": str(task_folder(name))}
    if b"${PWD}" in body:
        folders["PWD"] = str(working_folder())
    replaced = replace_placeholders(document, folders)
    return body if replaced == document else json.dumps(replaced).encode()


def task_folder(name: str) -> Path:
    """Return the folder of the task file; the current one for standard input."""
    return Path.cwd() if name == "-" else Path(name).absolute().parent


def _read(name: str) -> bytes:
    if name == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(name).read_bytes()
    except FileNotFoundError as error:
        msg = f"no such file: {name}"
        raise NotFoundError(msg) from error
    except OSError as error:
        problem = f"cannot be read: {error.strerror}"
        raise InvalidRequestError([Violation(name, problem)]) from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        msg = "a name occurs twice"
        raise ValueError(msg)
    return document
