"""Keeps the cookies of servers, for those that tell a session by them.

Archives redirect to a host of logins and back, and know by a cookie who comes.
"""

from collections.abc import Sequence
from email.message import Message
from http.cookiejar import CookieJar
from typing import Any, cast
from urllib.request import Request

from tesk_model.locations import Location

_Origin = tuple[str, str, int | None]


class Cookies:
    """The cookies of all servers, each for its origin alone; thread-safe.

    Browsers send a cookie to all ports of a host and, where it says so, to all hosts of a
    domain. A session is a credential here, which goes to no other server.
    """

    def __init__(self) -> None:
        self._jars: dict[_Origin, CookieJar] = {}
        self._private: set[_Origin] = set()

    def header_for(self, location: Location) -> str:
        """Return the value of ``Cookie`` for a request; "" if there is none."""
        jar = self._jars.get(_origin_of(location))
        if jar is None:
            return ""
        request = _request(location)
        jar.add_cookie_header(request)
        return request.get_header("Cookie", "")

    def are_private(self, location: Location) -> bool:
        """Tell whether some may tell a server who sends them; see ``store``."""
        return _origin_of(location) in self._private

    def store(
        self, location: Location, written: Sequence[str], *, are_private: bool = False
    ) -> None:
        """Keep what the response to a request sets: its ``Set-Cookie`` headers.

        Args:
            location: Of the request.
            written: The headers.
            are_private: The server knows by a credential who asks.
        """
        if written:
            if are_private:
                self._private.add(_origin_of(location))
            jar = self._jars.setdefault(_origin_of(location), CookieJar())
            jar.extract_cookies(cast("Any", _Headers(written)), _request(location))


class _Headers:
    """The headers of a response, as ``CookieJar`` asks for them."""

    def __init__(self, written: Sequence[str]) -> None:
        self._message = Message()
        for value in written:
            self._message.add_header("Set-Cookie", value)

    def info(self) -> Message:
        return self._message


def _origin_of(location: Location) -> _Origin:
    """Return scheme, host and port (RFC 9110, 4.3.1)."""
    return location.scheme, location.host.lower(), location.port_or_default


def _request(location: Location) -> Request:
    return Request(location.url)  # noqa: S310 - never opened
