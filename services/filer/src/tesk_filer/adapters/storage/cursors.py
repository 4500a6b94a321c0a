"""Cursors of listings that go folder by folder."""

from collections.abc import Sequence

from tesk_filer.ports import Cursor


def prepend(folders: Sequence[str], cursor: Cursor) -> Cursor:
    """Return a cursor with ``folders`` before those of ``cursor``.

    The old cursor is shared and not copied: a folder may hold many thousands of
    others, and each of these makes a page.
    """
    for folder in reversed(folders):
        cursor = (folder, cursor)
    return cursor
