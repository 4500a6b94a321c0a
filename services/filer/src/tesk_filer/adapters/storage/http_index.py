"""Reads index pages of web servers, as Apache and nginx make them, as listings.

HTTP has no listing; such a page is for people, and is trusted with nothing. A link is a
file, or a directory if it ends in a slash, if it leads one name below the page. All
others are for sorting, or lead elsewhere, and are left out.

A page without such links is that of an empty directory where it shows so, as the usual
servers do: else it may ask for a login, or say that the server is down.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from html.parser import HTMLParser
from urllib.parse import urljoin

from tesk_filer.ports import StorageError
from tesk_model.locations import InvalidLocationError, Location, parse_location

MAX_PAGE = 16 * 1024 * 1024  # bytes; Apache makes some 250 a file
_MAX_LINK = 8192

_HEADINGS = frozenset({"title", "h1", "h2"})
# Of Apache, nginx and lighttpd; Python and Tomcat; Jetty; serve; the root of IIS.
_HEADING = re.compile(
    r"\s*(?:index of\s|directory listing (?:for|of)\s|directory:\s|files within\s"
    r"|\S+ - /\s*$)",
    re.IGNORECASE,
)
_PASSWORD = ("type", "password")  # a page that has it may look like any other
_PARENT = re.compile(r"parent directory", re.IGNORECASE)  # of Apache and IIS
_PARENTS = frozenset({"..", "../"})
# Of Apache and Jetty; Caddy.
_SORTS = re.compile(r"(?:\./)?\?(?:C=[NMSD][;&]O=[AD]|sort=\w+&order=(?:asc|desc))")


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """A name of an index page."""

    name: str
    is_directory: bool


def directory_at(location: Location) -> Location:
    """Return the location with the slash at its end that directories have."""
    if location.written.endswith("/"):
        return location
    return replace(location, written=f"{location.written}/", path=f"{location.path}/")


def parse_index(page: str, directory: Location) -> list[IndexEntry]:
    """Return the entries of an index page by name, each once.

    Args:
        page: HTML.
        directory: Where it is; its path ends in a slash.

    Raises:
        StorageError: There are none, and nothing shows that it is an index page.
    """
    links = _Links()
    links.feed(page)
    links.close()
    found: dict[str, IndexEntry] = {}
    for entry in _entries(links.found, directory):
        # The slash tells more than its absence.
        if entry.is_directory or entry.name not in found:
            found[entry.name] = entry
    if not found and not links.are_of_index:
        raise StorageError(
            "its page has neither names of files nor a sign of an index page; see what "
            "the url shows, or name the files one by one"
        )
    return [found[name] for name in sorted(found)]


def _entries(links: list[str], directory: Location) -> Iterator[IndexEntry]:
    base = directory.url.partition("?")[0]
    for link in links:
        try:
            target = parse_location(urljoin(base, link.strip()))
        except (InvalidLocationError, ValueError):
            continue
        is_here = _server(target) == _server(directory) and not target.query
        if not is_here or not target.path.startswith(directory.path):
            continue
        rest = target.path.removeprefix(directory.path)
        name = rest.removesuffix("/")
        if name not in ("", ".", "..") and "/" not in name and "\0" not in name:
            yield IndexEntry(name, is_directory=rest != name)


def _server(location: Location) -> tuple[str, str, int | None]:
    return location.scheme, location.host.lower(), location.port_or_default


class _Links(HTMLParser):
    """Collects what ``<a href>`` leads to, and the signs of an index page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._has_sign = False
        self._has_list = False
        self._has_text = False
        self._asks_who = False
        self._within = ""

    @property
    def are_of_index(self) -> bool:
        """Whether the page is an index page, also without links.

        That of a Go server is an empty list and nothing else.
        """
        is_bare = self._has_list and not self._has_text
        return (self._has_sign or is_bare) and not self._asks_who

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._within = tag
        self._asks_who = self._asks_who or (tag == "input" and _PASSWORD in attrs)
        self._has_list = self._has_list or tag == "pre"
        if tag != "a":
            return
        for name, value in attrs:
            if name == "href" and value and len(value) <= _MAX_LINK:
                self.found.append(value)
                self._has_sign = self._has_sign or _leads_around(value.strip())

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002 - of HTMLParser
        self._within = ""

    def handle_data(self, data: str) -> None:
        self._has_text = self._has_text or not data.isspace()
        if self._within in _HEADINGS:
            self._has_sign = self._has_sign or bool(_HEADING.match(data))
        elif self._within == "a":
            self._has_sign = self._has_sign or bool(_PARENT.search(data))


def _leads_around(link: str) -> bool:
    """Tell whether a link is one of an index page that leads to no entry."""
    return link in _PARENTS or _SORTS.match(link) is not None
