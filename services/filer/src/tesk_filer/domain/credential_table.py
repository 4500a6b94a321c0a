"""Chooses among the operator's credentials: the longest prefix that holds a url."""

import posixpath
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from tesk_filer.domain.credentials import Credential
from tesk_model.locations import Location, with_parents
from tesk_model.schemes import SCHEMES


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskOwner:
    """On whose behalf a transfer is made.

    Attributes:
        name: "" if nobody is known by name.
        groups: In the order that the identity gives them.
    """

    name: str = ""
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialEntry:
    """A credential, and what it is for.

    Attributes:
        prefix: As ``prefix_of`` writes it.
        owners: With ``groups``, whose tasks may use it; both empty: all tasks.
        source: Where it stands, for people.
    """

    prefix: str
    credential: Credential
    owners: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    source: str = field(default="", compare=False)


_Audience = tuple[str, str]
"""Whether an owner or a group, and the name."""

_OWNER, _GROUP = "owner", "group"
_ALL: _Audience = ("", "")


class CredentialTable:
    """All credentials of the operator."""

    def __init__(self, entries: Iterable[CredentialEntry] = ()) -> None:
        """Keep ``entries``.

        Raises:
            ValueError: Two have one prefix and are meant for the same tasks.
        """
        self._by_prefix: dict[str, dict[_Audience, CredentialEntry]] = {}
        for entry in entries:
            same = self._by_prefix.setdefault(entry.prefix, {})
            for audience in _audiences_of(entry):
                other = same.setdefault(audience, entry)
                if other is not entry:
                    message = (
                        f"{entry.source}.prefix: is that of {other.source}, too, for the "
                        "same tasks; remove one"
                    )
                    raise ValueError(message)

    def find(self, location: Location, owner: TaskOwner) -> Credential | None:
        """Return the credential for a url in a task of ``owner``; None: none is meant.

        The longest prefix counts; of the entries with that prefix the one for the
        owner, then that for the first of the groups, then that for all.
        """
        if not self._by_prefix:
            return None
        for prefix in prefixes_of(location):
            entries = self._by_prefix.get(prefix)
            if entries is None:
                continue
            groups = ((_GROUP, group) for group in owner.groups)
            for audience in ((_OWNER, owner.name), *groups, _ALL):
                if audience in entries:
                    return entries[audience].credential
        return None


def prefix_of(location: Location) -> str:
    """Return a url, without user and query, in the one way that prefixes are compared.

    Dot segments of http are resolved, as servers do it.
    """
    if SCHEMES[location.scheme].has_query:
        path = posixpath.normpath(re.sub("/+", "/", f"/{location.path}"))
        return replace(location, path=path).canonical
    return location.canonical


def prefixes_of(location: Location) -> Iterator[str]:
    """Yield the prefixes that hold a url, longest first.

    They end between segments of its path; the last is its host or bucket, after that
    the account of a container, or for a bucket the scheme alone.
    """
    yield from with_parents(prefix_of(location))
    if SCHEMES[location.scheme].has_container:
        yield account_prefix_of(location)
    elif may_be_scheme_alone(location.scheme):
        yield f"{location.scheme}://"


def may_be_scheme_alone(scheme: str) -> bool:
    """Tell whether ``scheme://`` is a prefix: not if the url chooses the host."""
    row = SCHEMES[scheme]
    return row.port is None and not row.has_container and scheme != "file"


def account_prefix_of(location: Location) -> str:
    """Return the prefix of all containers of an account."""
    return f"{location.scheme}://{location.host.partition('@')[2].lower()}"


def _audiences_of(entry: CredentialEntry) -> Iterator[_Audience]:
    yield from ((_OWNER, name) for name in sorted(entry.owners))
    yield from ((_GROUP, name) for name in sorted(entry.groups))
    if not entry.owners and not entry.groups:
        yield _ALL
