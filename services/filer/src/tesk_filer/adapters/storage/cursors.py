"""The cursor of a listing that goes folder by folder: those still to be listed."""

from collections.abc import Sequence

from tesk_filer.ports import Cursor


def prepend(folders: Sequence[str], cursor: Cursor) -> Cursor:
    """Return the cursor in which ``folders`` come before what ``cursor`` has.

    The old cursor is shared and not copied: a folder may hold many thousands of
    others, and each of these makes a page.
    """
    for folder in reversed(folders):
        cursor = (folder, cursor)
    return cursor
