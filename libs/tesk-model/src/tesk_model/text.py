r"""Escapes untrusted text for terminals and log lines.

Names, messages and outputs may hold escape sequences, also those of one character
from U+0080 on, and marks that reverse the direction of writing. Each is replaced by
its escape, such as ``\x1b`` or ``\u202e``; all other characters stay.
"""

import re

_MAX_BYTE = 0xFF
_HIDDEN = (
    # Control characters of ASCII but for tab and line feed, DEL, those from U+0080 on.
    r"\x00-\x08\x0b-\x1f\x7f-\x9f"
    # Ends of lines and paragraphs, and marks of the direction of writing.
    r"\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
    # What no encoding has.
    r"\ud800-\udfff"
)
_IN_LINES = re.compile(f"[{_HIDDEN}]")
_IN_LINE = re.compile(f"[{_HIDDEN}\t\n]")


def escape_line(text: str) -> str:
    """Return ``text`` as one line without control characters."""
    return _IN_LINE.sub(_escaped, text)


def escape_lines(text: str) -> str:
    """Return ``text`` without control characters but tabs and line ends."""
    return _IN_LINES.sub(_escaped, text)


def escape_json(text: str) -> str:
    """Return equivalent JSON without control characters but tabs and line ends."""
    return _IN_LINES.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def elide(text: str, length: int) -> str:
    """Return ``text`` with ``…`` for its middle if it has more characters."""
    if len(text) <= length:
        return text
    end = length // 2
    return f"{text[: length - end - 1]}…{text[-end:]}"


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    short = {"\t": "\\t", "\n": "\\n", "\r": "\\r"}.get(match[0])
    if short:
        return short
    return f"\\x{code:02x}" if code <= _MAX_BYTE else f"\\u{code:04x}"
