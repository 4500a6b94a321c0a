"""Parses strict JSON after a check of the number of its values.

A parsed ``{}`` takes thirty times the memory that it takes in the body.
"""

from typing import Any

import jiter

from tesk_model.errors import InvalidRequestError, Violation

# Ten thousand inputs and as many outputs, with all their fields, are fewer.
MAX_VALUES = 200_000
# Memory of one value beside its text, roughly: an object with one entry.
_VALUE_BYTES = 200
# The body, its strings, and their copies until the scheduler has them.
_COPIES = 7


def parse_json(body: bytes) -> Any:
    """Parse strict JSON: UTF-8, no NaN, no duplicate keys, limited nesting.

    Raises:
        InvalidRequestError: It is not valid, or has too many values.
    """
    if not body:
        raise InvalidRequestError([Violation("", "the body is empty; send a task")])
    if _has_too_many_values(body):
        message = f"the body has more than {MAX_VALUES} values"
        raise InvalidRequestError([Violation("", message)])
    try:
        return jiter.from_json(body, allow_inf_nan=False, catch_duplicate_keys=True)
    except ValueError as error:
        message = f"the body is not valid JSON: {printable(str(error))}"
        raise InvalidRequestError([Violation("", message)]) from error


def may_have_values(body: bytes, count: int) -> bool:
    """Tell whether there may be more than ``count`` values, at little cost."""
    return len(body) > count and _count_values(body) > count


def estimate_memory(body: bytes) -> int:
    """Estimate the bytes of memory that the request of ``body`` takes."""
    values = min(_count_values(body), MAX_VALUES)
    return _COPIES * len(body) + _VALUE_BYTES * values


def max_memory(body_limit: int) -> int:
    """Return the largest estimate for a body of that length."""
    return _COPIES * body_limit + _VALUE_BYTES * MAX_VALUES


def printable(message: str) -> str:
    """Return a parser's message, shortened and with control characters escaped."""
    return message[:200] if message.isprintable() else ascii(message[:200])


def _count_values(body: bytes) -> int:
    """Count characters that start or separate values, also within strings."""
    return body.count(b",") + body.count(b"[") + body.count(b"{")


def _has_too_many_values(body: bytes) -> bool:
    """Tell whether there are more than ``MAX_VALUES``, pairs of objects as one.

    Cheap checks first; most bodies are too short.
    """
    if len(body) <= MAX_VALUES or _count_values(body) <= MAX_VALUES:
        return False
    plain = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    # A pair has two strings at most. Without this, the list of strings would
    # itself be large.
    if plain.count(b'"') > 4 * MAX_VALUES:
        return True
    return _count_values(b"".join(plain.split(b'"')[::2])) > MAX_VALUES
