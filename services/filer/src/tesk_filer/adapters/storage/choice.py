"""The storage of a url, made when the first url of its kind is met."""

import threading
from collections.abc import Callable, Mapping

from tesk_filer.domain.locations import InvalidUrlError, parse_url
from tesk_filer.ports import Storage, StorageError


class StorageChoice:
    """Satisfies ``ports.Storages``."""

    def __init__(self, makers: Mapping[str, Callable[[], Storage]]) -> None:
        """Choose by scheme from ``makers``; each is called once at most."""
        self._makers = makers
        self._made: dict[Callable[[], Storage], Storage] = {}
        self._lock = threading.Lock()

    def of(self, url: str) -> Storage:
        """See ``Storages``."""
        try:
            scheme = parse_url(url).scheme
        except InvalidUrlError as error:
            raise StorageError(str(error)) from error
        maker = self._makers[scheme]
        with self._lock:
            if maker not in self._made:
                self._made[maker] = maker()
            return self._made[maker]
