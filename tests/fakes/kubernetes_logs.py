"""Logs of the fake API's pods."""

from fakes.kubernetes_streams import FakeStream
from tesk_kubernetes.api import ApiUnavailableError, JsonObject, RefusedError
from tesk_kubernetes.pods import containers

ENDED = ("Succeeded", "Failed")
_Key = tuple[str, str, str]


class Logs:
    """What containers said, and who follows. Guarded by its owner's lock."""

    def __init__(self) -> None:
        self._said: dict[_Key, bytes] = {}
        self._late: dict[_Key, tuple[bytes, int]] = {}
        self._followers: dict[_Key, list[FakeStream[bytes]]] = {}

    def say(self, key: _Key, data: bytes) -> None:
        self._said[key] = self._said.get(key, b"") + data
        for follower in self._followers.get(key, []):
            follower.put(data)

    def say_late(self, key: _Key, data: bytes, *, after_reads: int) -> None:
        self._late[key] = (data, after_reads)

    def open(
        self, key: _Key, body: JsonObject | None, *, follow: bool, tail_lines: int
    ) -> FakeStream[bytes]:
        _, pod, container = key
        if body is None:
            raise RefusedError(f'pods "{pod}" not found')
        state: JsonObject = next(
            (each["state"] for each in containers(body) if each["name"] == container),
            {"waiting": {}},
        )
        if "waiting" in state:
            raise RefusedError(f'container "{container}" is waiting to start')
        self._flush(key)
        lines = self._said.get(key, b"").splitlines(keepends=True)
        said = b"".join(lines if tail_lines < 0 else lines[len(lines) - tail_lines :])
        stream = FakeStream([said] if said else [])
        has_ended = "terminated" in state or body["status"].get("phase") in ENDED
        if follow and not has_ended:
            self._followers.setdefault(key, []).append(stream)
        else:
            stream.end()
        return stream

    def _flush(self, key: _Key) -> None:
        data, reads = self._late.pop(key, (b"", 0))
        if reads:
            self._late[key] = (data, reads - 1)
        elif data:
            self.say(key, data)

    def end_of_containers(self, namespace: str, body: JsonObject) -> None:
        """End what follows the logs of containers that have terminated."""
        for each in containers(body):
            if "terminated" in each["state"]:
                key = (namespace, body["metadata"]["name"], each["name"])
                for follower in self._followers.pop(key, []):
                    follower.end()

    def end(self, namespace: str, pod: str) -> None:
        for key in [key for key in self._followers if key[:2] == (namespace, pod)]:
            for follower in self._followers.pop(key):
                follower.end()

    def cut(self) -> None:
        for followers in self._followers.values():
            for follower in followers:
                follower.end(ApiUnavailableError("the connection was cut"))
        self._followers.clear()
