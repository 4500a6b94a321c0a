"""Pulls images, each once for all tasks that wait for it.

Twenty tasks with one image wait for one pull; it continues when one of them is
canceled.
"""

import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotDoneError
from dataclasses import dataclass, field
from typing import Any

from tesk_model.reasons import Reason, ReasonCode
from tesk_taskmaster.adapters.container.api import (
    ContainerApi,
    EngineRefusedError,
    EngineUnresponsiveError,
)
from tesk_taskmaster.ports import ReportReason, StepFailedError

_BACKOFF = (1.0, 4.0)  # seconds before the second and the third try
_PROGRESS_INTERVAL = 0.2  # seconds

# Answers of registries and engines after which a retry cannot succeed.
_PERMANENT = (
    "not found",
    "manifest unknown",
    "name unknown",
    "no such image",
    "no such manifest",
    "not known to registry",
    "was deleted or has expired",
    "does not exist",
    "denied",
    "unauthorized",
    "authentication required",
    "forbidden",
    "is blocked",
    "invalid reference",
    "invalid repository",
    "invalid tag",
    "invalid name",
    "repository name must",
    "no matching manifest",
    "not supported",
    "unsupported",
    "does not match the specified platform",
    "cannot be used on this platform",
    "no basic auth credentials",
    "http response to https client",
    "certificate signed by unknown authority",
    # Podman's name for images of this machine; there is no such registry.
    "pinging container registry localhost: ",
)


class PullFailedError(Exception):
    """An image cannot be pulled.

    Attributes:
        is_permanent: A retry cannot succeed.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.is_permanent = any(word in reason.lower() for word in _PERMANENT)


@dataclass(slots=True)
class PullProgress:
    """Progress of a pull, summed over layers, from the engine's messages."""

    layers: dict[str, tuple[int, int]] = field(default_factory=dict)

    def add(self, message: Mapping[str, Any]) -> None:
        """Add one progress message.

        Raises:
            PullFailedError: The message is an error.
        """
        if error := message.get("error"):
            raise PullFailedError(str(error))
        detail = message.get("progressDetail") or {}
        layer = str(message.get("id", ""))
        if message.get("status") == "Downloading" and detail.get("total"):
            self.layers[layer] = (int(detail.get("current", 0)), int(detail["total"]))
        elif layer in self.layers and message.get("status") != "Downloading":
            total = self.layers[layer][1]
            self.layers[layer] = (total, total)

    def format(self, image: str) -> str:
        """Return it as text, e.g. ``pulling image busybox: 34 %``."""
        total = sum(total for _, total in self.layers.values())
        if not total:
            return f"pulling image {image}"
        done = sum(done for done, _ in self.layers.values())
        return f"pulling image {image}: {100 * done // total} %"


@dataclass(slots=True)
class _Pull:
    progress: str
    end: Future[None] = field(default_factory=Future)


class ImageStore:
    """Pulls images to the engine's machine."""

    def __init__(self, api: ContainerApi) -> None:
        self._api = api
        self._lock = threading.Lock()
        self._pulls: dict[str, _Pull] = {}

    def ensure(
        self, image: str, report_reason: ReportReason, cancelled: threading.Event
    ) -> None:
        """Return when ``image`` is present, or when ``cancelled`` is set.

        Raises:
            StepFailedError: It cannot be pulled; the message names it.
            EngineUnresponsiveError: The engine is down.
        """
        try:
            if self._api.inspect_image(image) is not None:
                return
            self._await(self._pull_of(image), report_reason, cancelled)
        except EngineRefusedError as error:
            raise StepFailedError(
                f"image {image}: {error}", code=ReasonCode.IMAGE_PULL_FAILED
            ) from error
        except PullFailedError as error:
            raise StepFailedError(
                f"image {image} cannot be pulled: {error}",
                code=ReasonCode.IMAGE_PULL_FAILED,
                lost=not error.is_permanent,
            ) from error

    def _await(
        self, pull: _Pull, report_reason: ReportReason, cancelled: threading.Event
    ) -> None:
        while True:
            report_reason(
                Reason(ReasonCode.IMAGE_PULLING, pull.progress)
            )  # It may raise to end the wait.
            if cancelled.is_set():
                return
            try:
                pull.end.result(timeout=_PROGRESS_INTERVAL)
            except NotDoneError:
                continue
            return

    def _pull_of(self, image: str) -> _Pull:
        with self._lock:
            pull = self._pulls.get(image)
            if pull is None:
                pull = self._pulls[image] = _Pull(f"pulling image {image}")
                threading.Thread(
                    target=self._run, args=(image, pull), daemon=True
                ).start()
            return pull

    def _run(self, image: str, pull: _Pull) -> None:
        try:
            self._pull(image, pull)
        except BaseException as error:  # noqa: BLE001 - raised where it is awaited
            self._forget(image)
            pull.end.set_exception(error)
        else:
            self._forget(image)
            pull.end.set_result(None)

    def _forget(self, image: str) -> None:
        with self._lock:
            del self._pulls[image]

    def _pull(self, image: str, pull: _Pull) -> None:
        for delay in (*_BACKOFF, None):
            try:
                read_pull_progress(
                    self._api.pull(image),
                    lambda progress: setattr(pull, "progress", progress.format(image)),
                )
            except (
                EngineUnresponsiveError,
                EngineRefusedError,
                PullFailedError,
            ) as error:
                failure = PullFailedError(str(error))
                if failure.is_permanent or delay is None:
                    raise failure from error
                pull.progress = f"pulling image {image}: trying again after: {error}"
                threading.Event().wait(delay)
            else:
                return


def read_pull_progress(
    messages: Iterable[Mapping[str, Any]], on_progress: Callable[[PullProgress], None]
) -> None:
    """Read a pull's messages to the end.

    Raises:
        PullFailedError: One of them is an error.
    """
    progress = PullProgress()
    for message in messages:
        progress.add(message)
        on_progress(progress)
