"""Keeps the cookies of servers, for those that tell a session by them.

Archives redirect to a host of logins and back, and know by a cookie who comes.
"""

from collections.abc import Sequence
from email.message import Message
from http.cookiejar import CookieJar
from typing import Any, cast
from urllib.request import Request

from tesk_model.locations import Location


class Cookies:
    """The cookies of all servers; thread-safe."""

    def __init__(self) -> None:
        self._jar = CookieJar()

    def header_for(self, location: Location) -> str:
        """Return the value of ``Cookie`` for a request; "" if there is none."""
        if not len(self._jar):
            return ""
        request = _request(location)
        self._jar.add_cookie_header(request)
        return request.get_header("Cookie", "")

    def store(self, location: Location, written: Sequence[str]) -> None:
        """Keep what the response to a request sets: its ``Set-Cookie`` headers."""
        if written:
            self._jar.extract_cookies(
                cast("Any", _Headers(written)), _request(location)
            )


class _Headers:
    """The headers of a response, as ``CookieJar`` asks for them."""

    def __init__(self, written: Sequence[str]) -> None:
        self._message = Message()
        for value in written:
            self._message.add_header("Set-Cookie", value)

    def info(self) -> Message:
        return self._message


def _request(location: Location) -> Request:
    return Request(location.url)  # noqa: S310 - never opened
