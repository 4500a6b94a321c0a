"""Decides by lists of the operator which urls tasks may use.

A pattern is the beginning of a url: ``https://data.example.org/public``,
``s3://bucket``, ``ftp://*.example.org``, ``http://`` for all of a scheme, ``/data`` for
files. It ends between the segments of a path, so that ``…/public`` is not the beginning
of ``…/publications``. The longest pattern that fits decides, and of two of which neither
is the longer the refusal.

Urls are compared as ``tesk_model.locations`` reads them: percent-encoding, case of the
host, user, password and query make no difference. What a server could read in another
way than this rule is refused as soon as there are lists.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv6Address

from tesk_model.locations import (
    InvalidLocationError,
    Location,
    parse_location,
    scheme_of,
)
from tesk_model.schemes import SCHEMES

_WHOLE_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


@dataclass(frozen=True, slots=True, kw_only=True)
class UrlPattern:
    """The beginning of urls.

    Attributes:
        text: As the operator wrote it.
        host: In lower case; ``*.`` at its beginning stands for one label or more; None
            for all of the scheme.
        port: None for any.
        path: Segments of the decoded path.
    """

    text: str
    scheme: str
    host: str | None
    port: int | None
    path: tuple[str, ...]

    def matches(self, location: Location) -> bool:
        """Tell whether the url begins so."""
        if location.scheme != self.scheme:
            return False
        if self.host is None:
            return True
        if self.port is not None and location.port_or_default != self.port:
            return False
        host = _host(location)
        is_host = (
            host.endswith(self.host[1:])
            if self.host.startswith("*.")
            else host == self.host
        )
        return is_host and _segments(location.path)[: len(self.path)] == self.path

    def is_longer_than(self, other: "UrlPattern") -> bool:
        """Tell which of two that match one url is the longer; False if neither is.

        Of the same host a path and a port both make longer: a port does not outweigh a
        longer path, nor a path a port.
        """
        if self.host_rank != other.host_rank:
            return self.host_rank > other.host_rank
        more = len(self.path) - len(other.path)
        ports = (self.port is not None) - (other.port is not None)
        return min(more, ports) >= 0 and max(more, ports) > 0

    @property
    def host_rank(self) -> tuple[bool, int]:
        """Orders the patterns that match one url by their hosts."""
        host = self.host or ""
        return self.host is not None and not host.startswith("*."), len(host)


@dataclass(frozen=True, slots=True, kw_only=True)
class UrlLists:
    """Which urls tasks may use.

    Attributes:
        allow: If there are any, no other urls may be used.
        deny: May not be used.
    """

    allow: tuple[UrlPattern, ...] = ()
    deny: tuple[UrlPattern, ...] = ()

    def problem(self, location: Location) -> str | None:
        """Return why a url may not be used; None if it may."""
        if refusal := self.refusal(location):
            return refusal
        if not self.allow:
            return None
        if problem := _ambiguity(location):
            return problem
        if not any(each.matches(location) for each in self.allow):
            return "is refused here: it begins with none of urls.allow"
        return None

    def refusal(self, location: Location) -> str | None:
        """Return why a url must not be asked for; None if it may.

        Also one that no task names, which need not be listed: what ``deny`` says.
        """
        if not self.deny:
            return None
        if problem := _ambiguity(location):
            return problem
        allowed = [each for each in self.allow if each.matches(location)]
        for denied in self.deny:
            if denied.matches(location) and not any(
                each.is_longer_than(denied) for each in allowed
            ):
                return f'is refused here: it begins with "{denied.text}" (urls.deny)'
        return None


def begins_with_one(location: Location, patterns: Iterable[UrlPattern]) -> bool:
    """Tell whether a url surely begins with one of the patterns."""
    return _ambiguity(location) is None and any(
        each.matches(location) for each in patterns
    )


def parse_url_patterns(texts: Iterable[str], setting: str) -> tuple[UrlPattern, ...]:
    """Read patterns.

    Raises:
        ValueError: One is malformed; names ``setting``.
    """
    return tuple(_parse(text, setting) for text in texts)


def parse_url_lists(allow: Iterable[str], deny: Iterable[str]) -> UrlLists:
    """Read the patterns of the settings ``urls.allow`` and ``urls.deny``.

    Raises:
        ValueError: One is malformed; names its setting.
    """
    return UrlLists(
        allow=parse_url_patterns(allow, "urls.allow (TESK_URLS_ALLOW)"),
        deny=parse_url_patterns(deny, "urls.deny (TESK_URLS_DENY)"),
    )


def _parse(text: str, setting: str) -> UrlPattern:
    try:
        if _WHOLE_SCHEME.fullmatch(text):
            return UrlPattern(
                text=text, scheme=scheme_of(text), host=None, port=None, path=()
            )
        location = parse_location(text)
    except InvalidLocationError as error:
        raise ValueError(f'{setting}: "{text}" {error}') from error
    if location.user is not None or location.query:
        message = f"{setting}: a pattern has neither user, nor password, nor query"
        raise ValueError(message)
    if problem := _ambiguity(location):
        raise ValueError(f'{setting}: "{text}" {problem}')
    return UrlPattern(
        text=text,
        scheme=location.scheme,
        host=_host(location),
        port=location.port,
        path=_segments(location.path),
    )


def _ambiguity(location: Location) -> str | None:
    """Return what could be read in two ways; servers resolve names differently."""
    if any(part in (".", "..") for part in re.split(r"[/\\]", location.path)):
        return 'is refused here: its path must not hold "." or ".."'
    if SCHEMES[location.scheme].has_query and "\\" in location.path:
        return "is refused here: its path must not hold a backslash"
    return None


def _host(location: Location) -> str:
    host = location.host.lower().rstrip(".")
    if ":" in host and "%" not in host:
        try:
            return str(IPv6Address(host))
        except ValueError:
            return host
    return host


def _segments(path: str) -> tuple[str, ...]:
    return tuple(part for part in path.split("/") if part)
