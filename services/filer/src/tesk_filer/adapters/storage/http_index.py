"""Reads index pages of web servers, as Apache and nginx make them, as listings.

HTTP has no listing; such a page is for people, and is trusted with nothing. A link is a
file, or a directory if it ends in a slash, if it leads one name below the page. All
others are for sorting, or lead elsewhere, and are left out.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from html.parser import HTMLParser
from urllib.parse import urljoin

from tesk_model.locations import InvalidLocationError, Location, parse_location

MAX_PAGE = 16 * 1024 * 1024  # bytes; Apache makes some 250 a file
_MAX_LINK = 8192


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
    """
    links = _Links()
    links.feed(page)
    links.close()
    found: dict[str, IndexEntry] = {}
    for entry in _entries(links.found, directory):
        # The slash tells more than its absence.
        if entry.is_directory or entry.name not in found:
            found[entry.name] = entry
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
    """Collects what ``<a href>`` leads to."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag != "a":
            return
        for name, value in attrs:
            if name == "href" and value and len(value) <= _MAX_LINK:
                self.found.append(value)
