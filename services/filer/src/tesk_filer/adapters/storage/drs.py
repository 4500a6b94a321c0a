"""``drs://``: objects of data repositories, which lie in other storages.

``drs://host/ID`` is asked for at ``https://host/ga4gh/drs/v1/objects/ID`` (GA4GH DRS
1.4). A bundle is a directory. Its size and checksums are those that must arrive, however
the bytes are fetched.
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from tesk_filer.adapters.storage.cursors import prepend
from tesk_filer.adapters.storage.drs_objects import (
    Access,
    Content,
    DrsObject,
    Method,
    parse_access,
    parse_object,
)
from tesk_filer.adapters.storage.http import HttpStorage
from tesk_filer.adapters.storage.http_client import open_client
from tesk_filer.adapters.storage.http_errors import HttpError
from tesk_filer.adapters.storage.json_documents import (
    given_for,
    https_location,
    read_document,
    target_of,
)
from tesk_filer.adapters.storage.storage_config import StorageConfig
from tesk_filer.domain.redaction import excerpt
from tesk_filer.ports import (
    Advance,
    Checksums,
    Cursor,
    Entry,
    Page,
    Part,
    Reader,
    Source,
    Stat,
    StorageError,
    Storages,
)
from tesk_filer.ports.readers import Skips
from tesk_filer.usecases.listing import check_once
from tesk_model.locations import Location, printable

_OBJECTS = "/ga4gh/drs/v1/objects/"
_ACCEPT = "application/json"
_SEPARATOR = "\0"
_MAX_MEMBERS = 100_000  # of one bundle; each takes a request
_PAGE = 100  # members


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a listing goes on.

    Attributes:
        start: Number of the member in its bundle.
        relative: Name of the bundle below the one that is listed.
        above: The bundles that it is in.
    """

    start: int = 0
    relative: str = ""
    above: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """As a cursor holds it."""
        return _SEPARATOR.join([str(self.start), self.relative, *self.above])


def _place_of(text: str) -> _Place:
    start, relative, *above = text.split(_SEPARATOR)
    return _Place(int(start), relative, tuple(above))


class DrsStorage:
    """Objects and bundles; inputs alone."""

    def __init__(self, config: StorageConfig, storages: Storages) -> None:
        """Ask servers as ``config`` says, and fetch from ``storages``."""
        self._client = open_client(config)
        self._https = HttpStorage(self._client)
        self._credentials = config.credentials
        self._egress = config.egress
        self._storages = storages
        # Names in bundles are no part of ids: a listing tells what they are.
        self._members: dict[str, Location] = {}
        self._begun: dict[str, Sequence[Content]] = {}  # bundles, while they are listed
        self._lock = threading.Lock()

    def stat(self, location: Location) -> Stat | None:
        """See ``Storage``."""
        try:
            found = self._object(self._resolve(location))
        except HttpError as error:
            if error.status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
                return None
            raise
        if found.contents:
            return Stat(is_directory=True)
        return Stat(size=found.size, checksums=found.checksums)

    def list(self, location: Location, cursor: Cursor = ()) -> Page:
        """See ``Storage``; each page is of one bundle.

        A page is a request for each member: what one that fails has told is asked for
        again, so there are not many.
        """
        text, pending = cursor or (_Place().text, ())
        here = _place_of(text)
        relative, stop = here.relative, here.start + _PAGE
        bundle = self._resolve(location.below(relative) if relative else location)
        if bundle.canonical in here.above:
            note = f"{printable(relative)} is a bundle within itself, left out"
            return Page([], pending, [note])
        contents = self._contents(bundle)
        entries: list[Entry] = []
        bundles: list[str] = []
        for content in contents[here.start : stop]:
            name = f"{relative}/{content.name}" if relative else content.name
            member = self._member(bundle, content)
            with self._lock:
                self._members[location.below(name).url] = member
            found = self._object(member)
            if found.contents:
                within = _Place(0, name, (*here.above, bundle.canonical))
                bundles.append(within.text)
            else:
                entries.append(
                    Entry(name=name, size=found.size, checksums=found.checksums)
                )
        if stop < len(contents):
            bundles.append(replace(here, start=stop).text)
        else:
            self._begun.pop(bundle.canonical, None)
        return Page(
            entries,
            prepend(bundles, pending),
            directory="" if here.start else bundle.canonical,
            depth=len(here.above),
        )

    @contextmanager
    def open(
        self, location: Location, *, part: Part | None = None, known: Stat | None = None
    ) -> Iterator["_Object"]:
        """See ``Storage``."""
        member = self._resolve(location)
        found = self._object(member)
        if found.contents:
            raise StorageError("is a directory; give the input type DIRECTORY")
        if not found.methods:
            raise StorageError(
                "the server offers no way to its bytes that is supported; there are "
                "https, s3, gs, ftp and htsget"
            )
        access = self._access(member, found.methods[0])
        # What DRS says of the content is no version of the storage's.
        pinned = known if known and known.etag else None
        with self._open_at(access, part, pinned) as reader:
            yield _Object(reader, found)

    def write(self, location: Location, source: Source, advance: Advance) -> str:
        """See ``Storage``; always raises StorageError."""
        del location, source, advance
        raise StorageError("drs takes no files")

    def make_directory(self, location: Location) -> None:
        """See ``Storage``; there are none to make."""

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def _resolve(self, location: Location) -> Location:
        with self._lock:
            return self._members.get(location.url, location)

    def _contents(self, bundle: Location) -> Sequence[Content]:
        """Return the members of a bundle, which is asked for once while it is listed.

        Raises:
            StorageError: It is none, or has too many members, or two of one name.
        """
        contents = self._begun.get(bundle.canonical)
        if contents is None:
            contents = self._object(bundle).contents
            _check_contents(contents)
            self._begun[bundle.canonical] = contents
        return contents

    def _object(self, location: Location) -> DrsObject:
        return parse_object(self._ask(location, _id_of(location)))

    def _access(self, location: Location, method: Method) -> Access:
        if method.url:
            return parse_access(method.url, method.scheme)
        path = f"{_id_of(location)}/access/{quote(method.access_id, '')}"
        return parse_access(self._ask(location, path), method.scheme)

    def _ask(self, location: Location, path: str) -> dict[str, Any]:
        """Return the document at ``path`` below the objects of the server."""
        url = https_location(location, _OBJECTS + path)
        self._egress.check_asked(url)
        given = given_for(location, self._credentials)
        return read_document(self._client, url, _ACCEPT, given)

    @contextmanager
    def _open_at(
        self, access: Access, part: Part | None, known: Stat | None
    ) -> Iterator[Reader]:
        # Checks the lists of urls, too.
        storage = self._storages.of(access.location)
        if access.headers:
            with self._https.open(
                access.location, part=part, known=known, given=access.headers
            ) as reader:
                yield reader
            return
        with storage.open(access.location, part=part, known=known) as reader:
            yield reader

    def _member(self, bundle: Location, content: Content) -> Location:
        if {"/", "\0"} & set(content.name) or content.name in ("", ".", ".."):
            shown = printable(excerpt(content.name, 100))
            message = f"holds {shown!r}, which cannot be the name of a file"
            raise StorageError(message)
        if content.id:
            member = target_of(f"{bundle.root}/{quote(content.id, '')}")
            return replace(member, user=bundle.user, password=bundle.password)
        found = target_of(content.uri)
        if found.scheme != "drs":
            raise StorageError("a bundle holds what is not of drs")
        self._egress.check(found)
        return found


def _check_contents(contents: Sequence[Content]) -> None:
    """Refuse what is no bundle that can be listed.

    Source:
        GA4GH DRS 1.4, ``ContentsObject``: a name is unique within its bundle.
    """
    if not contents:
        raise StorageError("is a file; give the input type FILE")
    if len(contents) > _MAX_MEMBERS:
        raise StorageError(
            f"is a bundle of more than {_MAX_MEMBERS:,} members; name those that "
            "are wanted one by one"
        )
    check_once(content.name for content in contents)


def _id_of(location: Location) -> str:
    """Return the id of an object, percent-encoded; neither query nor fragment ends it."""
    return location.written.lstrip("/").replace("?", "%3F").replace("#", "%23")


def open_resolver(config: StorageConfig, storages: Storages) -> DrsStorage:
    """Return the storage of drs."""
    return DrsStorage(config, storages)


@dataclass(frozen=True, slots=True)
class _Object:
    """The bytes of an object, with what DRS says of them; satisfies ``ports.Reader``."""

    _reader: Reader
    _object: DrsObject

    descriptor = None
    executable = False

    @property
    def size(self) -> int | None:
        size, there = self._object.size, self._reader.size
        if size is not None and there is not None and there != size:
            raise StorageError(f"has {there} bytes; its repository says {size}")
        return there if size is None else size

    @property
    def etag(self) -> str:
        return self._reader.etag

    @property
    def checksums(self) -> Checksums:
        # One digest is verified: the storage's is that of a wrong object, too.
        return self._object.checksums or self._reader.checksums

    @property
    def has_parts(self) -> bool:
        return self._reader.has_parts

    @property
    def skips(self) -> int:
        return self._reader.skips if isinstance(self._reader, Skips) else 0

    def read(self, size: int) -> bytes:
        return self._reader.read(size)
