"""Runs executors in containers of a Docker-compatible engine (Docker, Podman).

A container is found again by its name and labels, so a successor can continue
after a kill at any moment: there is no container, one that was never started, one
that runs, or one that has ended. Nothing runs twice: a container is started only
once, and none is created for a run that had started.

The engine may be down for a while (it is updated, the machine is busy): calls
are idempotent and repeated until it answers.
"""

import logging
import math
import threading
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from tesk_model.names import Attempt
from tesk_model.reasons import ReasonCode
from tesk_taskmaster.adapters.container.api import (
    ContainerApi,
    EngineRefusedError,
    EngineUnresponsiveError,
)
from tesk_taskmaster.adapters.container.config import (
    HOME_LABEL,
    ContainerOptions,
    ContainerRules,
    EngineTraits,
    container_config,
    labelled_attempt,
    run_labels,
)
from tesk_taskmaster.adapters.container.files import RunFiles
from tesk_taskmaster.adapters.container.image_contents import ImageContents
from tesk_taskmaster.adapters.container.images import ImageStore
from tesk_taskmaster.adapters.container.logs import read_tails
from tesk_taskmaster.adapters.container.network import AttemptNetworks
from tesk_taskmaster.adapters.container.observation import (
    NEVER_STARTED,
    VANISHED,
    image_digest,
    observe,
)
from tesk_taskmaster.adapters.container.removal import delete_folder, remove_containers
from tesk_taskmaster.adapters.container.retries import retried
from tesk_taskmaster.adapters.container.starts import PendingStart, PendingStarts
from tesk_taskmaster.adapters.container.waiting import wait_for_end
from tesk_taskmaster.adapters.mount_sources import refuse_links
from tesk_taskmaster.domain.executor_run import ExecutorRun
from tesk_taskmaster.domain.step_names import title_of
from tesk_taskmaster.domain.termination import StepResult, format_loss, judge
from tesk_taskmaster.ports import ReportReason, StepFailedError, Tails

# A container that this process has just created and not yet started.
_CREATED: Mapping[str, Any] = {
    "Config": {"Labels": None},
    "State": {"Status": "created"},
}

_logger = logging.getLogger(__name__)


class ContainerEngine:
    """The ``Engine`` port on containers."""

    def __init__(
        self,
        api: ContainerApi,
        *,
        traits: EngineTraits,
        launcher: Path,
        home: Path,
        options: ContainerOptions,
    ) -> None:
        """Use the engine of ``api``; see ``open_container_engine``."""
        self._api = api
        self._traits = traits
        self._launcher = launcher.resolve()
        self._home = home.resolve()
        self._rules = ContainerRules(
            max_processes=options.max_processes,
            dropped_capabilities=options.dropped_capabilities,
        )
        self._networks = AttemptNetworks(
            api=api,
            home=self._home,
            network=options.network,
            addresses=options.addresses,
        )
        self._images = ImageStore(api)
        self._starts = PendingStarts()
        self._contents = ImageContents(api, self._home)

    def notices(self) -> Sequence[str]:
        """Return which limits this engine does not enforce."""
        return self._traits.notices()

    def start(
        self,
        run: ExecutorRun,
        report_reason: ReportReason,
        *,
        has_started: bool = False,
    ) -> None:
        """Start, or adopt; pulls the image and reports the progress."""
        with self._starts.register(run) as pending:
            retried(
                lambda: self._start(
                    run, report_reason, pending, has_started=has_started
                ),
                report_reason,
            )

    def wait(self, run: ExecutorRun, timeout: timedelta) -> StepResult | None:
        """Wait for the end; an engine that is down meanwhile is waited for."""
        deadline = time.monotonic() + timeout.total_seconds()
        while (result := self._result(run)) is None:
            if (left := deadline - time.monotonic()) <= 0:
                return None
            wait_for_end(self._api, run, left)
        return result

    def tails(self, run: ExecutorRun) -> Tails:
        """Return what the executor has printed last.

        A redirected stream is read from its file while the executor runs; at
        the end the launcher copies its tail into the container's log.
        """
        try:
            return self._tails(run)
        except StepFailedError as error:
            _logger.warning(
                "container log not read",
                extra={"container": run.name, "cause": str(error)},
            )
            return Tails(b"", b"", unread=str(error))

    def _tails(self, run: ExecutorRun) -> Tails:
        container = retried(lambda: self._api.inspect(run.name))
        if container is None:
            return Tails(b"", b"", unread=VANISHED.text)
        if container["State"]["Status"] in NEVER_STARTED:
            return Tails(b"", b"")
        logged = read_tails(self._api, container, from_file=self._traits.is_podman)
        if not container["State"].get("Running"):
            return logged
        executor, files = run.step.executor, RunFiles(run)
        return Tails(
            files.tail(executor.stdout) or logged.stdout,
            files.tail(executor.stderr) or logged.stderr,
        )

    def occupied_directories(
        self,
        attempt: Attempt,
        image: str,
        directories: Sequence[str],
        report_reason: ReportReason,
    ) -> Collection[str]:
        """Inspect an image; pulls it and reports the progress."""

        def inspect() -> Collection[str]:
            self._images.ensure(image, report_reason, threading.Event())
            return self._contents.occupied_directories(attempt, image, directories)

        return retried(inspect, report_reason)

    def image_digest(self, image: str, report_reason: ReportReason) -> str:
        """Return the id of an image; pulls it and reports the progress."""

        def ask() -> str:
            self._images.ensure(image, report_reason, threading.Event())
            found = self._api.inspect_image(image)
            return "" if found is None else image_digest(found["Id"])

        return retried(ask, report_reason)

    def stop(self, run: ExecutorRun, grace: timedelta) -> None:
        """Stop the container; a pending start is cancelled."""
        self._starts.cancel(lambda other: other.name == run.name)
        RunFiles(run).mark_stopped()
        seconds = max(0, math.ceil(grace.total_seconds()))
        retried(lambda: self._stop(run.name, seconds))

    def remove(self, attempt: Attempt) -> None:
        """Kill and remove the attempt's containers.

        Raises:
            StepFailedError: The engine does not remove them.
        """
        self._starts.cancel(lambda other: other.attempt == attempt)
        remove_containers(self._api, attempt, self._home)
        retried(lambda: self._networks.remove(attempt))

    def attempts(self) -> Sequence[Attempt]:
        """List the attempts of which there are containers or networks."""
        labels = {HOME_LABEL: str(self._home)}
        found = retried(lambda: self._api.list(labels))
        carried = [container["Labels"] for container in found]
        carried += retried(self._networks.labels)
        attempts = {labelled_attempt(labels) for labels in carried}
        return sorted(attempt for attempt in attempts if attempt is not None)

    def delete_folder(self, folder: Path) -> None:
        """Delete a folder in which executors wrote, whoever owns the files; see ``removal``.

        Raises:
            OSError: It cannot be deleted.
            StepFailedError: The engine is needed for it and does not do it.
        """
        retried(lambda: delete_folder(folder, api=self._api, home=self._home))

    def _start(
        self,
        run: ExecutorRun,
        report_reason: ReportReason,
        pending: PendingStart,
        *,
        has_started: bool,
    ) -> None:
        container = self._api.inspect(run.name)
        if container is None and has_started:
            raise StepFailedError(
                format_loss(title_of(run.step.name), VANISHED.text),
                code=VANISHED.code,
                lost=True,
            )
        if container is None:
            self._images.ensure(
                run.step.executor.image, report_reason, pending.cancelled
            )
        with pending.unless_cancelled():
            if container is None:
                container = self._create(run)
            labels = run_labels(run, self._home)
            carried = container["Config"]["Labels"] or {}
            if container is not _CREATED and not labels.items() <= carried.items():
                raise StepFailedError(
                    f"the name {run.name} is taken by a container of another program"
                )
            if container["State"]["Status"] in NEVER_STARTED:
                self._launch(run)

    def _create(self, run: ExecutorRun) -> Mapping[str, Any]:
        files = RunFiles(run)
        refuse_links(run)
        config = container_config(
            run,
            launcher=self._launcher,
            report=files.make_report(),
            home=self._home,
            traits=self._traits,
            rules=replace(self._rules, network=self._networks.mode(run.attempt)),
        )
        try:
            self._api.create(run.name, config)
        except EngineRefusedError as error:
            # Perhaps an earlier call, which was not answered, has created it.
            refusal = str(error)
        else:
            return _CREATED
        container = self._api.inspect(run.name)
        if container is None:
            raise StepFailedError(
                f"the container of {run.step.executor.image} cannot be created: "
                f"{refusal}",
                code=ReasonCode.CONTAINER_START_FAILED,
            )
        return container

    def _launch(self, run: ExecutorRun) -> None:
        try:
            self._api.start(run.name)
        except EngineRefusedError as error:
            raise StepFailedError(
                f"the container of {run.step.executor.image} cannot be started: {error}",
                code=ReasonCode.CONTAINER_START_FAILED,
            ) from error

    def _stop(self, name: str, seconds: int) -> None:
        try:
            self._api.stop(name, seconds)
        except EngineRefusedError:
            container = self._api.inspect(name)
            if container is not None and container["State"].get("Running"):
                raise

    def _result(self, run: ExecutorRun) -> StepResult | None:
        try:
            container = self._api.inspect(run.name)
        except (EngineUnresponsiveError, EngineRefusedError) as error:
            _logger.warning(
                "container not inspected",
                extra={"container": run.name, "cause": str(error)},
            )
            return None
        files = RunFiles(run)
        ended = observe(run, container, files.report(), was_stopped=files.was_stopped)
        return None if ended is None else judge(ended)
