"""Makes the output of a task safe to print on a terminal.

Colours and carriage returns (of progress bars) are kept. Sequences that move the
cursor, set titles, use the clipboard or make the terminal answer are escaped.
"""

import re

from tesk_model.text import escape_lines

_COLOUR = re.compile(r"(\x1b\[[0-9;:]{0,40}m|\r)")
_RESET = "\x1b[0m"


def for_terminal(text: str) -> str:
    """Return ``text`` with colours as its only sequences; they end with it."""
    parts = _COLOUR.split(text)
    escaped = "".join(
        part if number % 2 else escape_lines(part) for number, part in enumerate(parts)
    )
    return escaped + _RESET if "\x1b" in escaped else escaped


def encodable(text: str) -> str:
    """Return ``text`` with ``?`` for each character that cannot be encoded."""
    return text.encode("utf-8", "replace").decode()
