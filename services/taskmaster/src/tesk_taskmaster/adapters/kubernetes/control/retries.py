"""Retries calls while the cluster is unavailable.

Waits for an API server that is away as long as the attempt is held; for a right, or
a quota without room, as long as the settings say. ``report_reason`` raises when the
attempt is canceled or reassigned, which ends the wait.
"""

import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, TypeVar

from tesk_kubernetes.api import (
    AlreadyExistsError,
    ApiUnavailableError,
    ForbiddenError,
    JsonObject,
    KubernetesApi,
    KubernetesError,
    QuotaExceededError,
    RefusedError,
    Resource,
)
from tesk_kubernetes.settings import KubernetesSettings
from tesk_model.reasons import NO_REASON, Reason, ReasonCode
from tesk_taskmaster.adapters.kubernetes.control.missing_rights import MissingRight
from tesk_taskmaster.adapters.kubernetes.status.failure_table import (
    judge_problem,
    shorten,
)
from tesk_taskmaster.adapters.kubernetes.status.observations import (
    Ended,
    Problem,
    ProblemKind,
    Subject,
)
from tesk_taskmaster.ports import Clock, ReportReason, StepFailedError, failure_of

T = TypeVar("T")

RETRY_INTERVAL = timedelta(seconds=1)


class RetriedCalls:
    """Retries calls; thread-safe."""

    def __init__(
        self, api: KubernetesApi, clock: Clock, settings: KubernetesSettings
    ) -> None:
        """Call ``api``."""
        self._api = api
        self._clock = clock
        self._settings = settings
        self._never = threading.Event()

    def call(self, call: Callable[[], T], report_reason: ReportReason) -> T:
        """Repeat an idempotent call until the API server answers.

        Raises:
            StepFailedError: It refuses; it may not in another attempt.
        """
        try:
            return self._answered(call, report_reason)
        except KubernetesError as error:
            raise StepFailedError(
                f"the cluster refuses a call of the taskmaster: {shorten(str(error))}",
                code=ReasonCode.API_SERVER_UNREACHABLE,
                lost=True,
            ) from error

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
        """Create an object, or return the existing one that ``found`` returns.

        Args:
            resource: Of what kind.
            body: What to create.
            found: Called when the name is taken, or when a quota has no room
                (which the API server checks first): the existing object, or
                None to try again. It may raise.
            subject: For messages.
            report_reason: See ``Runtime``.
            since: Of the first try, if a predecessor made it; None: now.

        Raises:
            StepFailedError: The cluster refuses, or a quota is full for too long.
        """
        full_since = since
        was_repeated = False
        namespace = body["metadata"]["namespace"]
        while True:
            try:
                return self._answered(
                    lambda: self._api.create(resource, namespace, body), report_reason
                )
            except AlreadyExistsError:
                reason = NO_REASON
            except QuotaExceededError as error:
                full_since = full_since or self._clock.now()
                reason = self._describe_quota(subject, full_since, str(error))
            except RefusedError as error:
                raise StepFailedError(
                    f"{subject.name}: the cluster refuses to create "
                    f"its {resource.kind}: {shorten(str(error))}",
                    code=ReasonCode.POD_REFUSED,
                ) from error
            known = self.call(found, report_reason)
            if known is not None:
                return known
            if was_repeated or reason.text:
                text = f"{subject.name}: waiting for an older {resource.kind} to be deleted"
                older = Reason(ReasonCode.STEP_STARTING, text)
                report_reason(reason if reason.text else older)
                self.pause()
            was_repeated = True

    def pause(self, length: timedelta = RETRY_INTERVAL) -> None:
        """Wait a moment."""
        self._never.wait(length.total_seconds())

    def _answered(self, call: Callable[[], T], report_reason: ReportReason) -> T:
        """Repeat a call while the API server does not answer, or knows no rights yet.

        Raises:
            KubernetesError: Its answer.
        """
        right = MissingRight(self._clock, self._settings.refusal_timeout)
        while True:
            try:
                return call()
            except ApiUnavailableError as error:
                right.restart()
                cause = str(error)
            except ForbiddenError as error:
                if right.is_final():
                    raise
                cause = str(error)
            text = f"waiting for the Kubernetes API: {shorten(cause)}"
            report_reason(Reason(ReasonCode.API_SERVER_UNREACHABLE, text))
            self.pause()

    def _describe_quota(self, subject: Subject, since: datetime, cause: str) -> Reason:
        """Return the reason of the wait for a quota.

        Raises:
            StepFailedError: The time is over.
        """
        judged = judge_problem(
            Problem(kind=ProblemKind.QUOTA, cause=cause),
            subject,
            since=since,
            now=self._clock.now(),
            settings=self._settings,
        )
        if isinstance(judged, Ended):
            raise failure_of(judged.result)
        return judged.reason
