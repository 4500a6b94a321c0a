r"""Text of strangers, made fit for a terminal and for a line of a log.

Names, notes and outputs may hold what a terminal obeys: escape sequences,
also those of one character from U+0080 on, and marks that turn the order of letters
round. Shown, each is ``\x1b`` or ``\u202e``; what is only unusual stays.
"""

import re

_LAST_OF_ONE_BYTE = 0xFF
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
    """Return ``text`` as one line that a terminal only shows."""
    return _IN_LINE.sub(_escaped, text)


def escape_lines(text: str) -> str:
    """Return ``text`` as lines that a terminal only shows; tabs stay."""
    return _IN_LINES.sub(_escaped, text)


def escape_json(text: str) -> str:
    """Return JSON that means the same and that a terminal only shows."""
    return _IN_LINES.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    short = {"\t": "\\t", "\n": "\\n", "\r": "\\r"}.get(match[0])
    if short:
        return short
    return f"\\x{code:02x}" if code <= _LAST_OF_ONE_BYTE else f"\\u{code:04x}"
