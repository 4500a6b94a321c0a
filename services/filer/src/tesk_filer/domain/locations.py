"""Storage urls: taken apart, put together, and fit to be shown.

What an octet of a url means differs by scheme. ``file://``, ``ftp://`` and
``http(s)://`` are percent-encoded; the keys of ``s3://`` and plain absolute
paths are literal, so that ``%``, ``?``, ``#`` and ``+`` in them are ordinary.
"""

import os
import posixpath
import re
from dataclasses import dataclass, field
from urllib.parse import quote, unquote

from tesk_model.paths import upload_url

SCHEMES = ("file", "http", "https", "s3", "ftp")

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(.*)", re.DOTALL)
_MAX_PORT = 65535
_PORTS = {"http": 80, "https": 443, "ftp": 21}
# "Transfer as text, as bytes, list": files are always moved byte by byte.
_FTP_TYPE = re.compile(r";type=[aid]$", re.IGNORECASE)
# Readable in a path and without meaning for any of the schemes.
_SAFE = "/!$&'()*+,:=@~"


class InvalidUrlError(ValueError):
    """A url cannot be used; the message says why, without credentials."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """A url taken apart.

    Attributes:
        scheme: In lower case; ``file`` also for a plain path.
        host: Host name, or the bucket of ``s3``; "" for ``file``.
        path: Decoded path of ``file`` and ``ftp``, the latter relative to the
            directory of the login unless it starts with ``/``; literal key of
            ``s3``; path and query of ``http`` as written.
        user: Decoded; None if the url names none.
    """

    scheme: str
    path: str
    host: str = ""
    port: int | None = None
    user: str | None = None
    password: str | None = field(default=None, repr=False)


def scheme_of(url: str) -> str:
    """Return the scheme in lower case; ``file`` for an absolute path.

    Raises:
        InvalidUrlError: ``url`` is neither.
    """
    if url.startswith("/"):
        return "file"
    match = _SCHEME.fullmatch(url)
    if match is None:
        raise InvalidUrlError("is neither a url nor an absolute path")
    return match[1].lower()


def parse_url(url: str) -> Location:
    """Take a storage url or an absolute path apart.

    Raises:
        InvalidUrlError: It is malformed, or its scheme is not supported.
    """
    if "\0" in url:
        raise InvalidUrlError("must not contain NUL")
    scheme = scheme_of(url)
    if url.startswith("/"):
        return Location(scheme="file", path=url)
    rest = url.partition(":")[2]
    if scheme == "file":
        return Location(scheme="file", path=_file_path(rest))
    if scheme not in SCHEMES:
        known = ", ".join(SCHEMES)
        raise InvalidUrlError(f'scheme "{scheme}" is not supported; there are {known}')
    if not rest.startswith("//"):
        raise InvalidUrlError(f'must start with "{scheme}://"')
    return _remote(scheme, rest.removeprefix("//"))


def redact(url: str) -> str:
    """Return ``url`` fit for logs and messages: no userinfo, no query.

    The query goes because signed urls carry their signature there.
    """
    shown = without_userinfo(url)
    if shown.lower().startswith(("http:", "https:")) and "?" in shown:
        return shown.partition("?")[0] + "?…"
    return shown


def without_userinfo(url: str) -> str:
    """Return ``url`` without user and password."""
    match = _SCHEME.fullmatch(url)
    if match is None or not match[2].startswith("//"):
        return url
    authority, rest = _authority(match[1].lower(), match[2].removeprefix("//"))
    slash, path = rest[:1], rest[1:]
    host = authority.rpartition("@")[2]
    if match[1].lower() != "file" and not _is_host(host):
        # A password with an unescaped "/" ends the authority too early.
        host, path = "…", path.rpartition("@")[2].partition("/")[2]
    return f"{match[1]}://{host}{slash}{path}"


def join(url: str, relative: str) -> str:
    """Return the url of ``relative`` (literal, ``/`` between names) below ``url``."""
    return join_match(url, relative, "")


def join_match(url: str, match: str, path_prefix: str) -> str:
    """Return the upload target of a file that matched an output pattern.

    See ``tesk_model.paths.upload_url``; names are encoded as the scheme wants,
    and a query stays behind the path.
    """
    scheme = scheme_of(url)
    if url.startswith("/") or scheme == "s3":
        return upload_url(url, match, path_prefix)
    base, query, parameters = (
        url.partition("?") if scheme.startswith("http") else (url, "", "")
    )
    if scheme == "ftp":
        base = _FTP_TYPE.sub("", base)
    encoded = upload_url(base, _encode(match), _encode(path_prefix))
    return encoded + query + parameters


def target_of(url: str) -> str:
    """Return what urls of the same file have in common, as far as they tell.

    Raises:
        InvalidUrlError: As ``parse_url``.
    """
    location = parse_url(url)
    path = location.path
    if location.scheme in ("file", "ftp"):
        # Most FTP servers put a login into "/": relative and absolute are one.
        path = posixpath.normpath(re.sub("/+", "/", f"/{path}"))
    elif location.scheme.startswith("http"):
        path, query, parameters = path.partition("#")[0].partition("?")
        path = unquote(path, errors="surrogateescape") + query + parameters
    port = location.port or _PORTS.get(location.scheme, 0)
    who = location.user or ""
    return f"{location.scheme}://{who}@{location.host.lower()}:{port}//{path}"


def names_a_file(url: str) -> bool:
    """Tell whether a file can have ``url``: one that ends in a slash cannot."""
    if url.lower().startswith(("http:", "https:")):
        url = url.partition("?")[0]
    return not _FTP_TYPE.sub("", url).endswith("/")


def printable(text: str) -> str:
    """Return ``text`` as valid Unicode; bytes that are no UTF-8 become ``?``."""
    return text.encode("utf-8", "replace").decode()


def _encode(path: str) -> str:
    return quote(os.fsencode(path), safe=_SAFE)


def _file_path(rest: str) -> str:
    authority, path = "", rest
    if rest.startswith("//"):
        authority, slash, tail = rest.removeprefix("//").partition("/")
        path = slash + tail
    if authority not in ("", "localhost"):
        raise InvalidUrlError(
            "names a host; a file url is written file:///path, with three slashes"
        )
    if not path.startswith("/"):
        raise InvalidUrlError("must hold an absolute path: file:///path")
    decoded = unquote(path, errors="surrogateescape")
    if "\0" in decoded:
        raise InvalidUrlError("must not contain NUL")
    return decoded


def _remote(scheme: str, rest: str) -> Location:
    authority, path = _authority(scheme, rest)
    userinfo, at, host = authority.rpartition("@")
    if not _is_host(host):
        raise InvalidUrlError("names no valid host")
    if scheme == "s3":
        if at:
            raise InvalidUrlError(
                "must not hold credentials; set them for the filer (AWS_ACCESS_KEY_ID, "
                "AWS_SECRET_ACCESS_KEY)"
            )
        return Location(scheme=scheme, host=host, path=path[1:])
    name, _, port = host.rpartition(":") if _has_port(host) else (host, "", "")
    user, colon, password = userinfo.partition(":")
    decoded = path if path.startswith("/") else "/" + path
    if scheme == "ftp":
        # RFC 1738, 3.2.2: the slash after the host is no part of the path.
        decoded = unquote(_FTP_TYPE.sub("", path[1:]), errors="surrogateescape")
        if any(char in decoded for char in "\r\n\0"):
            raise InvalidUrlError("must not contain line ends or NUL")
    return Location(
        scheme=scheme,
        host=name,
        port=int(port) if port else None,
        path=decoded,
        user=unquote(user) if at else None,
        password=unquote(password) if colon else None,
    )


def _authority(scheme: str, rest: str) -> tuple[str, str]:
    """Divide what follows ``//``: the authority, and all from its end on.

    Whoever looks for the host asks here: of two ways to find it one would send a
    login to a host that the other did not mean.
    """
    ends = "[/?]" if scheme.startswith("http") else "/"
    end = re.search(ends, rest)
    return (rest[: end.start()], rest[end.start() :]) if end else (rest, "")


def _has_port(host: str) -> bool:
    return re.fullmatch(r"(\[[^\]]*\]|[^:]*):\d+", host) is not None


def _is_host(host: str) -> bool:
    match = re.fullmatch(r"(?:\[[0-9A-Fa-f:.%]+\]|[^\s:\[\]]+)(?::(\d+))?", host)
    return match is not None and int(match[1] or 0) <= _MAX_PORT
