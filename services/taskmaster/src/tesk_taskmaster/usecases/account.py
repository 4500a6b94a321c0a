"""What one attempt tells the scheduler, in its order."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from tesk_model.events import EventPayload, ReasonChanged
from tesk_model.names import Attempt
from tesk_model.reasons import NO_REASON, Reason
from tesk_taskmaster.usecases.control import AttemptControl
from tesk_taskmaster.usecases.reporter import Reporter


@dataclass(slots=True, kw_only=True)
class Account:
    """The voice of one attempt; used by its thread alone.

    ``tell`` and ``wait_durable`` raise RefusedError as the reporter does.

    Attributes:
        held_up_since: Told with each reason, for whoever takes the attempt over.
    """

    attempt: Attempt
    reporter: Reporter
    control: AttemptControl
    held_up_since: datetime | None = None
    _said: Reason = field(default=NO_REASON, init=False)
    _kept: list[EventPayload] = field(default_factory=list, init=False)

    def say(self, reason: Reason) -> None:
        """Tell what the attempt waits for, if that is new and has a text.

        Raises:
            CanceledError, AbandonedError: As ``AttemptControl.checkpoint``.
        """
        self.control.checkpoint()
        if reason.text and reason != self._said:
            self._said = reason
            self.tell(ReasonChanged(reason, self.held_up_since))

    def tell(self, *whats: EventPayload) -> None:
        """Tell what was kept, and then this; returns at once."""
        kept, self._kept = self._kept, []
        self.reporter.tell(self.attempt, *kept, *whats)

    def keep(self, whats: Sequence[EventPayload]) -> None:
        """Keep what more is to be told about soon: each call costs the scheduler."""
        self._kept += whats

    def wait_durable(self) -> None:
        """Wait until all that was told is durable."""
        self.reporter.wait_durable(self.attempt)
