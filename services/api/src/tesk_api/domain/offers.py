"""Decides which urls tasks of this installation may use."""

import re
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from tesk_model.locations import InvalidLocationError, Location, scheme_of
from tesk_model.references import NAME_PATTERN
from tesk_model.schemes import SCHEMES, OfferedSchemes, Use
from tesk_model.url_lists import UrlLists, UrlPattern, begins_with_one

_INDEX_PAGES = (
    "or name the files one by one, or let the operator add the url to urls.index_pages "
    "(TESK_URLS_INDEX_PAGES)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What tasks may use.

    Attributes:
        schemes: Of urls.
        urls: Of these, which the operator refuses.
        references: Names of references; None: not known, so that each may be one.
        index_pages: Directories that have listings although their scheme has none.
    """

    schemes: OfferedSchemes = field(default_factory=OfferedSchemes)
    urls: UrlLists = field(default_factory=UrlLists)
    references: AbstractSet[str] | None = frozenset()
    index_pages: tuple[UrlPattern, ...] = ()

    def problem(self, location: Location, use: Use) -> str | None:
        """Return why a url cannot be used so; None if it can."""
        if use is Use.DIRECTORY and begins_with_one(location, self.index_pages):
            use = Use.INPUT
        problem = self.schemes.problem(location.scheme, use)
        if problem and use is Use.DIRECTORY and self._may_have_index(location):
            return f"{problem}; {_INDEX_PAGES}"
        return problem or self.urls.problem(location)

    def _may_have_index(self, location: Location) -> bool:
        """Tell whether an index page would make it a directory."""
        is_web = SCHEMES[location.scheme].storage == "http"
        return is_web and self.schemes.problem(location.scheme, Use.INPUT) is None


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageSettings:
    """The settings of storages.

    Attributes:
        written: Url prefixes that tasks can read and write.
        read: Url prefixes that they can only read.
        has_file_roots: Whether tasks may write folders of this machine.
        has_read_roots: Whether they may read some.
    """

    written: Sequence[str] = ()
    read: Sequence[str] = ()
    has_file_roots: bool = False
    has_read_roots: bool = False


def make_offer(storages: StorageSettings) -> OfferedSchemes:
    """Return the offered schemes; all if no url prefix is set.

    Raises:
        ValueError: A setting names a scheme that TESK does not know.
    """
    if not storages.written:
        return OfferedSchemes()
    outputs = _schemes("api.storage (TESK_API_STORAGE)", storages.written)
    inputs = _schemes("api.read_storage (TESK_API_READ_STORAGE)", storages.read)
    if storages.has_file_roots:
        outputs.add("file")
    if storages.has_read_roots:
        inputs.add("file")
    return OfferedSchemes(inputs=inputs | outputs, outputs=outputs)


def _schemes(setting: str, prefixes: Sequence[str]) -> set[str]:
    try:
        return set(map(scheme_of, prefixes))
    except InvalidLocationError as error:
        raise ValueError(f"{setting}: {error}") from error


def reference_names(names: Sequence[str]) -> frozenset[str]:
    """Return the names of references.

    Raises:
        ValueError: One cannot be in a url.
    """
    for name in names:
        if re.match(NAME_PATTERN, name) is None:
            raise ValueError(
                f"api.references or local.references: {name!r} cannot be the name of a "
                'reference: lower-case letters, digits, ".", "_" and "-"'
            )
    return frozenset(names)
