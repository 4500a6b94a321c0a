"""Reads the authority of a storage url: what stands between ``//`` and the path.

Messages say what is missing in the scheme's own word: a bucket, a container, a host.
They quote nothing of it, since any part may be a password.
"""

import re
from dataclasses import dataclass, field
from urllib.parse import unquote

from tesk_model.schemes import Scheme

_HOST = re.compile(
    r"(?:\[([0-9A-Fa-f:.%]+)\]|([^\s\x00-\x1f\x7f-\U0010ffff:@/\\?#%<>^`{|}\[\]\"]+))"
    r"(?::([0-9]{1,5}))?"
)
# Also those with a meaning of their own, such as $web.
_CONTAINER = re.compile(r"\$?[a-z0-9](?:-?[a-z0-9]){0,62}")
_MAX_PORT = 65535


class InvalidAuthorityError(ValueError):
    """It cannot be read; the message says why, without credentials."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """An authority, parsed.

    Attributes:
        host: As in ``Location``: also a bucket, or ``container@host``.
        port: None if there is none.
        user: Decoded; None if there is none.
        password: Decoded; None if there is none.
        written: As it was written, without user and password.
    """

    host: str
    port: int | None
    user: str | None = field(repr=False)
    password: str | None = field(repr=False)
    written: str


def read_authority(scheme: Scheme, text: str) -> Authority:
    """Return what ``text`` says.

    Raises:
        InvalidAuthorityError: It is malformed, or not as the scheme wants.
    """
    userinfo, at, place = text.rpartition("@")
    container = ""
    if scheme.has_container:
        container, at, userinfo = f"{_container(userinfo, scheme)}@", "", ""
    found = _HOST.fullmatch(place)
    if not place.isascii() and _noun(scheme) == "host":
        # Programs differ in what name they ask for then, and HTTP says none.
        raise InvalidAuthorityError("write its host in ASCII (xn--…)")
    if found is None or int(found[3] or 0) > _MAX_PORT:
        is_missing = place.partition(":")[0] == ""
        raise InvalidAuthorityError(
            f"names no {'' if is_missing else 'valid '}{_noun(scheme)}; "
            f"there is {scheme.form}"
        )
    if at and scheme.login:
        raise InvalidAuthorityError(f"must not hold credentials; {scheme.login}")
    if found[3] and scheme.port is None:
        raise InvalidAuthorityError(
            f"names a port, and a {_noun(scheme)} has none; there is {scheme.form}"
        )
    user, colon, password = userinfo.partition(":")
    return Authority(
        host=container + (found[1] or found[2]),
        port=int(found[3]) if found[3] else None,
        user=unquote(user) if at else None,
        password=unquote(password) if colon else None,
        written=container + place,
    )


def _noun(scheme: Scheme) -> str:
    """Return what its urls name first, for people."""
    if not scheme.is_keyed or scheme.has_container:
        return "host"
    return scheme.form.partition("://")[2].partition("/")[0]


def _container(written: str, scheme: Scheme) -> str:
    if _CONTAINER.fullmatch(written) is None:
        # It may be a user and a password.
        raise InvalidAuthorityError(f"names no valid container; there is {scheme.form}")
    return written
