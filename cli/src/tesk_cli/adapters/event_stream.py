"""Reads the live events of a task from a response that goes on."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any

import httpx

from tesk_cli.adapters.server_sent_events import parse_events
from tesk_cli.adapters.tes_json import snapshot_from_live
from tesk_cli.domain.live_events import applied
from tesk_cli.domain.snapshot import Snapshot
from tesk_model.errors import UnavailableError


def followed(response: httpx.Response, timeout: timedelta | None) -> Iterator[Snapshot]:
    """Yield the task as it is and each time it has changed, until it has ended.

    Args:
        response: Of which only the head was read; it is closed in the end.
        timeout: After which the connection is broken off; None: never.

    Raises:
        UnavailableError: The connection broke.
    """
    view: dict[str, Any] | None = None
    try:
        with _broken_off_after(response, timeout):
            for name, data in parse_events(response.iter_lines()):
                if name == "end":
                    return
                view = applied(view, name, json.loads(data))
                if view is not None:
                    yield snapshot_from_live(view)
    except (httpx.TransportError, ValueError, LookupError, TypeError) as error:
        raise UnavailableError("the server broke off") from error
    finally:
        response.close()
    raise UnavailableError("the server broke off")


@contextmanager
def _broken_off_after(
    response: httpx.Response, timeout: timedelta | None
) -> Iterator[None]:
    """End the reading of a response in time.

    A timeout of the connection would begin anew with each sign of life of the server.
    """
    stream = response.extensions.get("network_stream")
    if timeout is None or stream is None:
        yield
        return
    timer = threading.Timer(
        timeout.total_seconds(), _shut_down, [stream.get_extra_info("socket")]
    )
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _shut_down(connection: socket.socket) -> None:
    with suppress(OSError):  # it has ended by itself
        connection.shutdown(socket.SHUT_RDWR)
