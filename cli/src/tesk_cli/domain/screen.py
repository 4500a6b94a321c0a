"""What a task printed, made fit for a terminal.

Colours, and a carriage return as of a progress bar, are what people want to
see there; moving the cursor, titles, the clipboard and answers of the terminal are not.
"""

import re

from tesk_model.text import visible_lines

_COLOUR = re.compile(r"(\x1b\[[0-9;:]{0,40}m|\r)")
_RESET = "\x1b[0m"


def for_terminal(text: str) -> str:
    """Return ``text`` with colours alone; none of them lasts beyond it."""
    parts = _COLOUR.split(text)
    shown = "".join(
        part if number % 2 else visible_lines(part) for number, part in enumerate(parts)
    )
    return shown + _RESET if "\x1b" in shown else shown


def encodable(text: str) -> str:
    """Return ``text`` with ``?`` for what no encoding has."""
    return text.encode("utf-8", "replace").decode()
