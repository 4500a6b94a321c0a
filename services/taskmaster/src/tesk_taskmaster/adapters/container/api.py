"""Calls the engine's HTTP API; the only module that uses the SDK.

Callers tell two failures apart: the engine refuses (``EngineRefusedError``), or it
does not answer because it is down or being restarted
(``EngineUnresponsiveError``), and then the call may have taken effect.
"""

import posixpath
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from http import HTTPStatus
from typing import Any

from docker import APIClient
from docker.errors import APIError, DockerException, NotFound
from docker.types import IPAMConfig, IPAMPool

_CHUNK = 64 * 1024
_MAX_ENTRIES = 1  # enough to know that a directory is not empty


class EngineUnresponsiveError(Exception):
    """The engine did not answer; whether the call took effect is unknown."""


class EngineRefusedError(Exception):
    """The engine refused the call; the message is its own."""


class ContainerApi:
    """Calls of the Docker Engine API; a missing container or image is None."""

    def __init__(self, client: APIClient) -> None:
        # The SDK's types are incomplete, and too narrow.
        self._client: Any = client

    def info(self) -> Mapping[str, Any]:
        """Return the engine's description of itself."""
        with _translated():
            info: Mapping[str, Any] = self._client.info()
            return info

    def inspect(self, name: str) -> Mapping[str, Any] | None:
        """Return the container, or None."""
        return self._or_none(lambda: self._client.inspect_container(name))

    def inspect_image(self, image: str) -> Mapping[str, Any] | None:
        """Return the image, or None if it is not on this machine."""
        return self._or_none(lambda: self._client.inspect_image(image))

    def images(self) -> Sequence[str]:
        """Return the ids of the images on this machine."""
        with _translated():
            return [image["Id"] for image in self._client.images()]

    def list(self, labels: Mapping[str, str]) -> Sequence[Mapping[str, Any]]:
        """Return all containers, running or not, that carry all the labels."""
        wanted = [f"{key}={value}" for key, value in labels.items()]
        with _translated():
            found = self._client.containers(all=True, filters={"label": wanted})
        # Engines disagree on how several filters combine.
        return [
            container
            for container in found
            if labels.items() <= (container.get("Labels") or {}).items()
        ]

    def create(self, name: str, config: Mapping[str, Any]) -> None:
        """Create a container from the JSON body of ``POST /containers/create``."""
        with _translated():
            self._client.create_container_from_config(dict(config), name)

    def start(self, name: str) -> None:
        """Start a container; one that runs already is left alone."""
        with _translated():
            self._client.start(name)

    def wait(self, name: str, seconds: float) -> None:
        """Return when the container is not running, or after ``seconds``.

        Raises:
            EngineUnresponsiveError: The engine is down, or the time is over: the SDK
                does not tell them apart.
        """

        def call() -> Mapping[str, Any]:
            response: Mapping[str, Any] = self._client.wait(name, timeout=seconds)
            return response

        self._or_none(call)

    def stop(self, name: str, grace_seconds: int) -> None:
        """Send SIGTERM and, after the grace, SIGKILL; return when it has ended."""

        def call() -> Mapping[str, Any]:
            self._client.stop(name, timeout=grace_seconds)
            return {}

        self._or_none(call)

    def remove(self, name: str, *, has_ended: bool = False) -> None:
        """Kill and remove a container and its anonymous volumes.

        Args:
            name: Of the container.
            has_ended: It need not be killed.
        """

        def kill() -> Mapping[str, Any]:
            # A forced removal alone waits for SIGTERM to work on some engines.
            self._client.kill(name)
            return {}

        def remove() -> Mapping[str, Any]:
            self._client.remove_container(name, v=True, force=True)
            return {}

        if not has_ended:
            with suppress(EngineRefusedError):  # It may not run.
                self._or_none(kill)
        self._or_none(remove)

    def logs(self, name: str, lines: int | None) -> Iterator[bytes]:
        """Yield the raw, multiplexed log in pieces.

        Args:
            name: Of the container.
            lines: How many of the last log records; None for all.
        """
        client = self._client
        url = f"{client.base_url}/v{client.api_version}/containers/{name}/logs"
        params = {"stdout": 1, "stderr": 1, "tail": "all" if lines is None else lines}
        with (
            _translated(),
            client.get(url, params=params, stream=True, timeout=60) as response,
        ):
            if response.ok:
                yield from response.iter_content(_CHUNK)

    def entries(self, name: str, directory: str) -> Sequence[str] | None:
        """Return an entry of a container's directory, if it has any.

        The container need not run. None if there is no such directory.

        Source:
            Docker Engine API 1.41, ``ContainerArchive``: a path that ends in
            ``/.`` means the content of a directory or of a link to one.
        """
        client = self._client
        url = f"{client.base_url}/v{client.api_version}/containers/{name}/archive"
        params = {"path": f"{directory.rstrip('/')}/."}
        with (
            _translated(),
            client.get(url, params=params, stream=True, timeout=60) as response,
        ):
            if response.status_code == HTTPStatus.NOT_FOUND:
                return None
            client._raise_for_status(response)  # noqa: SLF001 - as the SDK's own calls do
            return _first_entries(response.raw)

    def pull(self, image: str) -> Iterator[Mapping[str, Any]]:
        """Pull an image and yield the engine's progress messages."""
        with _translated():
            yield from self._client.pull(image, stream=True, decode=True)

    def create_network(self, name: str, config: Mapping[str, Any]) -> None:
        """Create a bridge.

        Args:
            name: Of the network.
            config: Its ``subnet`` and ``labels``.
        """
        pools = [IPAMPool(subnet=config["subnet"])]
        with _translated():
            self._client.create_network(
                name,
                driver="bridge",
                ipam=IPAMConfig(pool_configs=pools),
                labels=dict(config["labels"]),
                check_duplicate=True,
            )

    def remove_network(self, name: str) -> None:
        """Remove a network; one that is absent is no error."""

        def call() -> Mapping[str, Any]:
            self._client.remove_network(name)
            return {}

        self._or_none(call)

    def networks(self, labels: Mapping[str, str]) -> Sequence[Mapping[str, str]]:
        """Return the labels of all networks that carry all of ``labels``."""
        wanted = [f"{key}={value}" for key, value in labels.items()]
        with _translated():
            found = self._client.networks(filters={"label": wanted})
        carried = [network.get("Labels") or {} for network in found]
        return [one for one in carried if labels.items() <= one.items()]

    def _or_none(
        self, call: Callable[[], Mapping[str, Any]]
    ) -> Mapping[str, Any] | None:
        with _translated():
            try:
                return call()
            except NotFound:
                return None


def _first_entries(archive: Any) -> Sequence[str]:
    """Return the first names in a tar archive, without its top directory."""
    found: list[str] = []
    try:
        with tarfile.open(fileobj=archive, mode="r|") as entries:
            while len(found) < _MAX_ENTRIES and (entry := entries.next()) is not None:
                if posixpath.normpath(entry.name) != ".":
                    found.append(entry.name)
    except tarfile.ReadError as error:
        raise EngineRefusedError(f"its files cannot be listed: {error}") from error
    return found


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except APIError as error:
        raise EngineRefusedError(error.explanation or str(error)) from error
    except DockerException as error:
        raise EngineRefusedError(str(error)) from error
    except OSError as error:  # What requests raises for connections is one.
        raise EngineUnresponsiveError(str(error)) from error
