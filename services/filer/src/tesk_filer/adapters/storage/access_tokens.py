"""Access tokens that services of clouds give: asked for, read, kept.

They are asked for by our own connections, whose documents have deadlines; what a cloud's
library does instead is bounded from outside.

Source:
    RFC 6749, 4.4 "Client Credentials Grant", 5.1 and 5.2.
"""

import json
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeVar
from urllib.parse import urlencode

from tesk_filer.adapters.storage.http_bodies import BytesBody
from tesk_filer.adapters.storage.http_pool import HttpPool
from tesk_filer.adapters.storage.http_response import HttpResponse
from tesk_filer.adapters.storage.rest import Dialect, Request, RestClient
from tesk_filer.adapters.storage.storage_config import Timeouts
from tesk_filer.ports import StorageError

T = TypeVar("T")

_OK = 200
_MAX_BYTES = 1024 * 1024  # of a document with a token
# They answer from this machine, or are not there.
_METADATA_TIMEOUTS = Timeouts(connect=timedelta(seconds=2), stall=timedelta(seconds=10))
_LIBRARY_SECONDS = 60.0
_LATE = 10.0  # seconds; a metadata service may begin later than the pods of its node
PAUSE = timedelta(seconds=10)
"""In which a service that failed is not asked again while there is something to use."""


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A token; ``ends`` is in seconds since 1970."""

    text: str = field(repr=False)
    ends: float


class KeptToken:
    """Keeps a token until it is renewed, shortly before it ends; for one thread at a time.

    One that cannot be renewed for the moment is used until its end.
    """

    def __init__(
        self,
        ask: Callable[[], AccessToken],
        early: timedelta,
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Get tokens by ``ask``, the next one ``early`` before the end of one.

        Args:
            ask: Raises StorageError if there is none.
            early: Time in which another one is got.
            now: Returns the seconds since 1970.
        """
        self._ask = ask
        self._early = early.total_seconds()
        self._now = now
        self._token: AccessToken | None = None
        self._due = 0.0

    def get(self) -> str:
        """Return the token.

        Raises:
            StorageError: There is none.
        """
        token = self._token
        if token is None or self._now() > self._due:
            token = self._renewed(token)
        return token.text

    def _renewed(self, old: AccessToken | None) -> AccessToken:
        try:
            token = self._ask()
        except StorageError as error:
            now = self._now()
            if old is None or not error.transient or now >= old.ends:
                raise
            self._due = min(now + PAUSE.total_seconds(), old.ends)
            return old
        self._token, self._due = token, token.ends - self._early
        return token


class OneAtATime:
    """Lets one thread ask at a time; its failure is that of all that wait for it.

    They would meet it one after another: a service that hangs would be asked as often as
    there are threads, and the last of them would be told as much later.
    """

    def __init__(self, lock: AbstractContextManager[object] | None = None) -> None:
        """Ask within ``lock``."""
        self._lock = lock or threading.Lock()
        self._failure: StorageError | None = None

    def ask(self, question: Callable[[], T]) -> T:
        """Return what ``question`` brings.

        Args:
            question: Brings at once what another thread has got meanwhile.

        Raises:
            StorageError: It failed, now or in a thread that was waited for.
        """
        known = self._failure
        with self._lock:
            failure = self._failure
            if failure is not None and failure is not known:
                raise StorageError(
                    failure.message,
                    transient=failure.transient,
                    retry_after=failure.retry_after,
                    throttled=failure.throttled,
                ) from failure
            try:
                answer = question()
            except StorageError as error:
                self._failure = error
                raise
            self._failure = None
            return answer


class Lateness:
    """Tells whether a service that does not answer may do so later.

    One that has never answered is late for some seconds; one that has may come back.

    Attributes:
        has_answered: It is there.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Read seconds from ``monotonic``."""
        self._monotonic = monotonic
        self._first_failure: float | None = None
        self.has_answered = False

    def record_answer(self) -> None:
        """Record that it is there."""
        self.has_answered = True

    def record_failure(self) -> bool:
        """Record that it did not answer; tell whether that may pass."""
        if self.has_answered:
            return True
        now = self._monotonic()
        if self._first_failure is None:
            self._first_failure = now
        return now - self._first_failure < _LATE


def ask_by_form(
    client: RestClient, url: str, fields: Mapping[str, str]
) -> HttpResponse:
    """Ask a service for a token, by a form of OAuth.

    Raises:
        StorageError: There is no response.
    """
    return client.send(
        Request(
            method="POST",
            url=url,
            headers={"Content-Type": "application/x-www-form-urlencoded"},
            body=BytesBody(urlencode(fields).encode()),
        )
    )


def read_token(response: HttpResponse, dialect: Dialect, senseless: str) -> AccessToken:
    """Return the token that a response brings.

    Args:
        response: Of a service that gives tokens.
        dialect: What its refusals mean.
        senseless: What to say of a response without a token.

    Raises:
        StorageError: There is none.
    """
    if response.status != _OK:
        raise dialect.error_of(response)
    try:
        found = json.loads(response.read_document(_MAX_BYTES))
        ends = time.time() + float(found["expires_in"])
        return AccessToken(str(found["access_token"]), ends)
    except (ValueError, LookupError, TypeError) as error:
        raise StorageError(senseless) from error


def code_of(response: HttpResponse) -> str:
    """Return the code of an error, e.g. ``invalid_client``; "" if there is none."""
    try:
        code = json.loads(response.read_document(_MAX_BYTES))["error"]
    except (StorageError, ValueError, LookupError, TypeError):
        return ""
    return code if isinstance(code, str) and code.replace("_", "").isalpha() else ""


def open_metadata_client() -> RestClient:
    """Return what asks the metadata service of a machine: directly, and soon."""
    return RestClient(HttpPool(timeouts=_METADATA_TIMEOUTS, size=1, environ={}))


def within_deadline(ask: Callable[[], T], seconds: float = _LIBRARY_SECONDS) -> T:
    """Return what a library brings that bounds no request in its total time.

    Args:
        ask: Runs in a thread of its own, which is left alone when it is too slow.
        seconds: How long to wait.

    Raises:
        StorageError: Transient: it takes too long.
    """
    found: list[T] = []
    raised: list[BaseException] = []

    def run() -> None:
        try:
            found.append(ask())
        except BaseException as error:  # noqa: BLE001 - raised by the caller
            raised.append(error)

    thread = threading.Thread(target=run, name="credentials", daemon=True)
    thread.start()
    thread.join(seconds)
    if raised:
        raise raised[0]
    if not found:
        message = "the cloud gives the filer no credentials in time"
        raise StorageError(message, transient=True)
    return found[0]
