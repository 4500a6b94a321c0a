"""Parses storage urls and paths, in one way for every service.

What a character of a url means differs by scheme (``tesk_model.schemes``).
``file://``, ``ftp(s)://``, ``sftp://`` and ``http(s)://`` are percent-encoded; keys of
object stores, paths of HDFS and plain absolute paths are literal, so that ``%``, ``?``,
``#`` and ``+`` in them are ordinary. A url is parsed once, where it comes in, and passed
on as a ``Location``.
People are shown ``str(location)``, which holds no secret.
"""

import os
import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from urllib.parse import quote, unquote

from tesk_model.checksums import checksums_of, describe_problem
from tesk_model.schemes import SCHEMES, Scheme
from tesk_model.url_authority import InvalidAuthorityError, read_authority

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_MAX_PARENTS = 2048  # as deep as a path can be
_MAX_CACHED_LENGTH = 1024
# "Transfer as text, as bytes, list": files are always moved byte by byte.
_FTP_TYPE = re.compile(r";type=[aid]$", re.IGNORECASE)
# Readable in a path and without meaning for any of the schemes.
_SAFE = "/!$&'()*+,:=@~"


class InvalidLocationError(ValueError):
    """A url cannot be read; the message says why, without credentials."""


class UnknownSchemeError(InvalidLocationError):
    """The scheme of a url is none of the table's."""

    def __init__(self, scheme: str) -> None:
        super().__init__(
            f'scheme "{scheme[:40]}" is not supported; there are {", ".join(SCHEMES)}'
        )
        self.scheme = scheme


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """A storage url or plain path, parsed.

    Attributes:
        scheme: In lower case; ``file`` also for a plain path.
        path: Decoded. Absolute for ``file`` and ``http``; of ``ftp`` relative to the
            directory of the login unless it starts with ``/``; of ``sftp`` absolute, or
            below ``/~``, the directory of the login; the key of an object.
        host: Host name, IPv6 address without brackets, or the bucket of an object; of
            ``abfs``, ``container@host``.
        user: Decoded; None if the url names none.
        query: Of ``http``, what follows the path, as written.
        root: The url as written up to its path, without user and password.
        written: The path as written.
    """

    scheme: str
    path: str
    host: str = ""
    port: int | None = None
    user: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    query: str = field(default="", repr=False)
    root: str = ""
    written: str = ""

    @property
    def url(self) -> str:
        """The url as it was written, without user and password."""
        return f"{self.root}{self.written}{self.query}"

    @property
    def url_of_user(self) -> str:
        """``url`` after its user: users may have other files by one url. For keys alone."""
        user = f"{quote(self.user, safe='')}@" if self.user else ""
        return user + self.url

    @property
    def port_or_default(self) -> int | None:
        """The port, or the usual one of the scheme."""
        return self.port or SCHEMES[self.scheme].port

    @property
    def names_a_file(self) -> bool:
        """Whether a file can have this url: its path ends in a name."""
        return self.path != "" and not self.written.endswith("/")

    @property
    def checksums(self) -> dict[str, str]:
        """Digests that the file must have, by algorithm; see ``checksums_of``."""
        return checksums_of(self.query.partition("#")[2])

    @property
    def target(self) -> str:
        """The canonical url of the file: equal for urls that surely name the same one.

        ``scheme://user@host:port/path`` and the query, without a slash at its end.
        """
        user = f"{quote(self.user, safe='')}@" if self.user else ""
        query = self.query.partition("#")[0]
        return self._canonical(user) + (f"\0{query}" if query else "")

    @property
    def canonical(self) -> str:
        """``target`` without user and query."""
        return self._canonical("")

    def _canonical(self, user: str) -> str:
        scheme = SCHEMES[self.scheme]
        path = self.path if self.path.startswith("/") else f"/{self.path}"
        if scheme.is_keyed:
            path = f"/{self.path}"
        elif scheme.is_tree:
            # Most FTP servers put a login into "/": relative and absolute are one.
            path = posixpath.normpath(re.sub("/+", "/", path))
        port = self.port_or_default
        at = f":{port}" if port else ""
        return f"{self.scheme}://{user}{self.host.lower()}{at}{path.rstrip('/')}"

    def below(self, name: str) -> "Location":
        """Return the location of ``name`` (literal, ``/`` between names) below this."""
        scheme = SCHEMES[self.scheme]
        one = self.written.removesuffix("/")
        base = one if scheme.is_keyed else one.rstrip("/")
        if scheme.is_ftp and self.path == "/":
            base = "/"  # the root, not where the login leads
        written = f"{base}/{self.write_name(name)}"
        return replace(
            self, written=written, path=_decode(self.root, self.scheme, written)
        )

    def write_name(self, name: str) -> str:
        """Return ``name`` (literal, ``/`` between names) as it stands in such a url."""
        is_encoded = SCHEMES[self.scheme].is_encoded and bool(self.root)
        return quote(os.fsencode(name), safe=_SAFE) if is_encoded else name

    def of_match(self, match: str, path_prefix: str) -> "Location":
        """Return the target of a file that matched an output pattern.

        Source:
            GA4GH TES 1.1 ``tesOutput.path_prefix``: the prefix is removed from the
            match and the rest is appended to the directory ``url``.
        """
        return self.below(match.removeprefix(path_prefix).lstrip("/"))

    def __str__(self) -> str:
        """Render it for people: without user, password and query.

        The query goes because signed urls carry their signature there.
        """
        hidden = f"{self.query[0]}…" if self.query else ""
        return printable(f"{self.root}{self.written}{hidden}")


def parse_location(text: str) -> Location:
    """Read a storage url or an absolute path.

    Raises:
        InvalidLocationError: It is malformed, or its scheme is not known.
    """
    # Each output is parsed three times, and tasks share inputs. Urls that may hold a
    # secret are not cached.
    if len(text) <= _MAX_CACHED_LENGTH and "@" not in text and "?" not in text:
        return _cached_location(text)
    return _read_location(text)


def _read_location(text: str) -> Location:
    if "\0" in text:
        raise InvalidLocationError("must not contain NUL")
    name = scheme_of(text)
    if text.startswith("/"):
        return Location(scheme=name, path=text, written=text)
    scheme, rest = SCHEMES[name], text.partition(":")[2]
    if name == "file":
        return _parse_file(rest)
    if not rest.startswith("//"):
        raise InvalidLocationError(f'must start with "{name}://"')
    return _parse_remote(scheme, rest.removeprefix("//"))


_cached_location = lru_cache(maxsize=512)(_read_location)


def scheme_of(text: str) -> str:
    """Return the scheme of a url or path, or of the beginning of one.

    Raises:
        InvalidLocationError: It has none that is known.
    """
    if text.startswith("/"):
        return "file"
    match = _SCHEME.match(text)
    if match is None:
        raise InvalidLocationError(
            "is neither a url nor an absolute path; give an absolute path or a url such "
            "as s3://bucket/key or file:///path"
        )
    name = match[1].lower()
    if name not in SCHEMES:
        raise UnknownSchemeError(name)
    return name


def describe_url(text: str) -> str:
    """Render a possibly invalid url for people, without possible secrets."""
    try:
        return str(parse_location(text))
    except InvalidLocationError:
        # In a url that cannot be parsed any part may be a password.
        if "@" in text or "?" in text:
            text = f"{text.partition(':')[0].partition('@')[0].partition('?')[0]}:…"
        return printable(text)


def with_parents(place: str) -> Iterator[str]:
    """Yield a ``canonical`` or ``target`` url and its parents, nearest first."""
    yield place
    start = place.index("://") + 3
    for _ in range(_MAX_PARENTS):
        end = place.rfind("/", start)
        if end < start:
            return
        place = place[:end]
        yield place


def printable(text: str) -> str:
    """Return ``text`` as valid Unicode; bytes that are not UTF-8 become ``?``."""
    return text.encode("utf-8", "replace").decode()


def _parse_file(rest: str) -> Location:
    """Read a file url.

    Source:
        RFC 8089: ``file:/path`` means what ``file:///path`` does.
    """
    written = rest
    if rest.startswith("//"):
        authority, slash, tail = rest.removeprefix("//").partition("/")
        if authority.lower() not in ("", "localhost"):
            raise InvalidLocationError(
                "names a host; a file url is written file:///path, with three slashes"
            )
        written = slash + tail
    if not written.startswith("/"):
        raise InvalidLocationError("must hold an absolute path: file:///path")
    path = _decode("file://", "file", written)
    if "\0" in path:
        raise InvalidLocationError("must not contain NUL")
    return Location(scheme="file", path=path, root="file://", written=written)


def _parse_remote(scheme: Scheme, rest: str) -> Location:
    # The end of the authority is found once: two rules could disagree, and send
    # credentials to another host.
    end = re.search("[/?#]" if scheme.has_query else "/", rest)
    authority, tail = (rest[: end.start()], rest[end.start() :]) if end else (rest, "")
    try:
        found = read_authority(scheme, authority)
    except InvalidAuthorityError as error:
        raise InvalidLocationError(str(error)) from error
    query = ""
    if scheme.has_query and (mark := re.search("[?#]", tail)):
        tail, query = tail[: mark.start()], tail[mark.start() :]
    if problem := describe_problem(query.partition("#")[2]):
        raise InvalidLocationError(problem)
    if scheme.has_query and not tail:
        tail = "/"
    if scheme.is_ftp:
        tail = _FTP_TYPE.sub("", tail)
    root = f"{scheme.name}://{found.written}"
    path = _decode(root, scheme.name, tail)
    _check_path(scheme, path)
    return Location(
        scheme=scheme.name,
        path=path,
        host=found.host,
        port=found.port,
        user=found.user,
        password=found.password,
        query=query,
        root=root,
        written=tail,
    )


def _check_path(scheme: Scheme, path: str) -> None:
    if scheme.is_ftp and any(char in path for char in "\r\n\0"):
        raise InvalidLocationError("must not contain line ends or NUL")
    if scheme.is_tree and "\0" in path:
        raise InvalidLocationError("must not contain NUL")


def _decode(root: str, scheme: str, written: str) -> str:
    """Return the decoded path of a url whose path is ``written``."""
    if not root:
        return written
    if SCHEMES[scheme].is_keyed or SCHEMES[scheme].is_ftp:
        # RFC 1738, 3.2.2: the slash after the host is not part of the path.
        written = written[1:]
    if not SCHEMES[scheme].is_encoded:
        return written
    return unquote(written, errors="surrogateescape")
