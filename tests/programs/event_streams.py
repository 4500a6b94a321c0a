"""A listener to server-sent events."""

import http.client
import json
from collections.abc import Iterator, Mapping
from typing import Any

from tesk_cli.adapters.server_sent_events import ServerSentEvent, parse_events

SECONDS = 20.0


class EventStream:
    """What one listener hears.

    Attributes:
        answer: The response that goes on.
        ids: Of events, and of blocks that are none, as far as they were read.
    """

    def __init__(
        self, port: int, path: str, headers: Mapping[str, str] | None = None
    ) -> None:
        """Connect, and wait for the head of the response."""
        self._connection = http.client.HTTPConnection(
            "127.0.0.1", port, timeout=SECONDS
        )
        self._connection.request("GET", path, headers=dict(headers or {}))
        self.answer = self._connection.getresponse()
        self.ids: list[str] = []
        self._events = parse_events(self._lines())

    def _lines(self) -> Iterator[str]:
        while line := self.answer.readline().decode():
            if line.startswith("id: "):
                self.ids.append(line.removeprefix("id: ").strip())
            yield line.rstrip("\n")

    def next(self) -> tuple[str, Any]:
        """Wait for an event; return its name and its data."""
        name, data = next(self._events)
        return name, json.loads(data)

    def rest(self) -> list[ServerSentEvent]:
        """Wait for the end; return what came before it."""
        return list(self._events)

    def close(self) -> None:
        """Hang up."""
        self.answer.close()
        self._connection.close()
