"""A storage to try, and plain ways to put files there and get them back."""

import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tesk_filer.ports import Cursor, Entry, Page, Source, Storage


@dataclass(frozen=True)
class Place:
    """A storage and a url below which nothing is, without a slash at its end."""

    storage: Storage
    url: str

    def put(
        self,
        url: str,
        content: bytes,
        *,
        executable: bool = False,
        advance: Callable[[int], None] = lambda _: None,
    ) -> None:
        """Write ``content`` to ``url``."""
        with tempfile.TemporaryFile() as file:
            file.write(content)
            file.flush()
            os.lseek(file.fileno(), 0, os.SEEK_SET)
            source = Source(
                descriptor=file.fileno(),
                size=len(content),
                executable=executable,
                tag="tesk-t1-a1-0",
            )
            self.storage.write(url, source, advance)

    def get(self, url: str, offset: int = 0) -> bytes:
        """Read ``url`` to its end."""
        content = b""
        with self.storage.open(url, offset=offset) as reader:
            while data := reader.read(1000_003):
                content += data
        return content

    def pages(self, url: str) -> Iterator[Page]:
        """List everything below ``url``, page by page."""
        cursor: Cursor = ()
        while True:
            page = self.storage.list(url, cursor)
            yield page
            cursor = page.cursor
            if not cursor:
                return

    def walk(self, url: str) -> list[Entry]:
        """List everything below ``url``, by name."""
        entries = [entry for page in self.pages(url) for entry in page.entries]
        return sorted(entries, key=lambda entry: entry.name)
