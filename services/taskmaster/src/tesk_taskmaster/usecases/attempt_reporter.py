"""Reports the events of one attempt to the scheduler, in order."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from tesk_model.events import EventPayload, ExecutorStarted, ReasonChanged
from tesk_model.names import Attempt
from tesk_model.reasons import NO_REASON, Reason
from tesk_taskmaster.usecases.attempt_control import AttemptControl
from tesk_taskmaster.usecases.reporter import Reporter


@dataclass(slots=True, kw_only=True)
class AttemptReporter:
    """Reports for one attempt; used by its thread alone.

    ``report`` and ``wait_durable`` raise RefusedError as the reporter does.

    Attributes:
        held_up_since: Sent with each reason, for a successor.
    """

    attempt: Attempt
    reporter: Reporter
    control: AttemptControl
    held_up_since: datetime | None = None
    _last_reason: Reason = field(default=NO_REASON, init=False)
    _buffered: list[EventPayload] = field(default_factory=list, init=False)

    def report_reason(self, reason: Reason) -> None:
        """Report what the attempt waits for, if that is new and has a text.

        Raises:
            CanceledError, AbandonedError: As ``AttemptControl.checkpoint``.
        """
        self.control.checkpoint()
        if reason.text and reason != self._last_reason:
            self._last_reason = reason
            self.report(ReasonChanged(reason, self.held_up_since))

    def report(self, *payloads: EventPayload) -> None:
        """Report what was buffered, and then this; returns at once."""
        if any(isinstance(each, ExecutorStarted) for each in payloads):
            self._last_reason = NO_REASON  # the scheduler forgets it then, too
        buffered, self._buffered = self._buffered, []
        self.reporter.report(self.attempt, *buffered, *payloads)

    def buffer(self, payloads: Sequence[EventPayload]) -> None:
        """Report these with the next ``report``: each call costs the scheduler."""
        self._buffered += payloads

    def hasten(self) -> None:
        """Let all that was reported be sent without waiting for more; returns at once."""
        self.reporter.hasten()

    def wait_durable(self) -> None:
        """Wait until all that was reported is durable."""
        self.reporter.wait_durable(self.attempt)
