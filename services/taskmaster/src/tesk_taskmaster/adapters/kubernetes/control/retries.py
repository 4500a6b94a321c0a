"""Calls that wait for the cluster rather than fail.

An API server that is away is waited for as long as the attempt is ours; a quota
without room as long as the settings say. ``report_reason`` ends the waiting: it raises
when the attempt is canceled or taken away.
"""

import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, TypeVar

from tesk_kubernetes.api import (
    AlreadyExistsError,
    ApiUnavailableError,
    JsonObject,
    KubernetesApi,
    QuotaExceededError,
    RefusedError,
    Resource,
)
from tesk_kubernetes.settings import KubernetesSettings
from tesk_model.reasons import NO_REASON, Reason, ReasonCode
from tesk_taskmaster.adapters.kubernetes.status.failure_table import (
    judge_trouble,
    shorten,
)
from tesk_taskmaster.adapters.kubernetes.status.observations import (
    Ended,
    Subject,
    Trouble,
    Troubled,
)
from tesk_taskmaster.ports import Clock, ReportReason, StepFailedError, failure_of

T = TypeVar("T")

RETRY_INTERVAL = timedelta(seconds=1)


class RetriedCalls:
    """Makes calls again; thread-safe."""

    def __init__(
        self, api: KubernetesApi, clock: Clock, settings: KubernetesSettings
    ) -> None:
        """Call ``api``."""
        self._api = api
        self._clock = clock
        self._settings = settings
        self._never = threading.Event()

    def call(self, call: Callable[[], T], report_reason: ReportReason) -> T:
        """Repeat an idempotent call while the API server does not answer."""
        while True:
            try:
                return call()
            except ApiUnavailableError as error:
                text = f"waiting for the Kubernetes API: {shorten(str(error))}"
                report_reason(Reason(ReasonCode.API_SERVER_UNREACHABLE, text))
                self.pause()

    def create(
        self,
        resource: Resource,
        body: Mapping[str, Any],
        *,
        found: Callable[[], JsonObject | None],
        subject: Subject,
        report_reason: ReportReason,
        since: datetime | None = None,
    ) -> JsonObject:
        """Create an object, or return what ``found`` says is ours already.

        Args:
            resource: Of what kind.
            body: What to create.
            found: Called when the name is taken, or when a quota has no room
                (which the API server finds out first): our object, or None to
                try again in a moment. It may raise.
            subject: For messages.
            report_reason: See ``Runtime``.
            since: Since when it may have been tried; None: from now on.

        Raises:
            StepFailedError: The cluster refuses, or has no room for too long.
        """
        full_since = since
        was_repeated = False
        namespace = body["metadata"]["namespace"]
        while True:
            try:
                return self.call(
                    lambda: self._api.create(resource, namespace, body), report_reason
                )
            except AlreadyExistsError:
                reason = NO_REASON
            except QuotaExceededError as error:
                full_since = full_since or self._clock.now()
                reason = self._describe_quota(subject, full_since, str(error))
            except RefusedError as error:
                raise StepFailedError(
                    f"{subject.name}: the cluster refuses to make "
                    f"its {resource.kind}: {shorten(str(error))}",
                    code=ReasonCode.POD_REFUSED,
                ) from error
            known = self.call(found, report_reason)
            if known is not None:
                return known
            if was_repeated or reason.text:
                text = f"{subject.name}: waiting for an older {resource.kind} to go"
                older = Reason(ReasonCode.STEP_STARTING, text)
                report_reason(reason if reason.text else older)
                self.pause()
            was_repeated = True

    def pause(self, length: timedelta = RETRY_INTERVAL) -> None:
        """Wait a moment."""
        self._never.wait(length.total_seconds())

    def _describe_quota(self, subject: Subject, since: datetime, cause: str) -> Reason:
        """Return what is waited for.

        Raises:
            StepFailedError: It was waited for long enough.
        """
        judged = judge_trouble(
            Troubled(trouble=Trouble.QUOTA, cause=cause),
            subject,
            since=since,
            now=self._clock.now(),
            settings=self._settings,
        )
        if isinstance(judged, Ended):
            raise failure_of(judged.result)
        return judged.reason
