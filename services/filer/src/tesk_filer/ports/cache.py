"""The port of the cache of files that many tasks read."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

from tesk_filer.domain.cache_keys import CacheKey
from tesk_filer.ports import Advance, Reader, Source


class Cache(Protocol):
    """Files by key, shared with other filers; safe for many threads.

    It may lose any file at any time. What cannot be done is left out: no call raises
    but for what ``on_wait`` and ``advance`` raise.
    """

    def open(self, key: CacheKey) -> AbstractContextManager[Reader | None]:
        """Open a file; None if it is not there. Its checksums must be verified."""

    def keep(self, key: CacheKey, source: Source, advance: Advance) -> None:
        """Copy a file into the cache, if there is room or older ones can go.

        ``advance`` is called with 0 meanwhile.
        """

    def drop(self, key: CacheKey) -> None:
        """Remove a file, which is damaged; nothing if it is not there."""

    def alone(
        self, key: CacheKey, on_wait: Callable[[], None]
    ) -> AbstractContextManager[None]:
        """Wait until no other filer brings this file, but not for ever.

        ``on_wait`` is called again and again meanwhile.
        """
