"""Defines the settings for attempts, and converts them to rules."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Annotated

import msgspec
from msgspec import Meta

from tesk_model.backoff import Backoff
from tesk_model.reasons import ReasonCode, reason_code
from tesk_scheduler.domain.attempt_rules import AttemptRules
from tesk_scheduler.domain.deadlines import TimeLimits
from tesk_scheduler.domain.limits import most_of_one
from tesk_scheduler.domain.quota import Limit, Quota
from tesk_scheduler.domain.records import TaskRecord
from tesk_scheduler.domain.retry_policy import (
    RetryPolicy,
    RetryRule,
    with_most_attempts,
)


class RetrySettings(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True
):
    """What follows the losses of one kind; what is not given stays as it is."""

    counts: bool | None = None
    most: Annotated[int, Meta(ge=0)] | None = None
    at_once: bool | None = None


class AttemptSettings(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True
):
    """When attempts are repeated, and how long they may take."""

    max_attempts: Annotated[
        int,
        Meta(
            ge=1,
            description="Attempts of a task that is lost through no fault of its own."
            " Losses that do not count (`retries`) are left out. Tasks may ask for"
            " another number, see the backend parameter `max_attempts`.",
        ),
    ] = 3
    max_uncounted_losses: Annotated[
        int,
        Meta(
            ge=0,
            description="How often another attempt follows a loss that does not count"
            " as one of `max_attempts`, as of a spot node that was taken away.",
        ),
    ] = 20
    retry_backoff: Annotated[
        timedelta,
        Meta(
            description="Seconds before another attempt after the first loss of a kind"
            " that the next attempt may meet again; then twice as long each time, plus"
            " up to a half of that. Losses that end with their node or taskmaster are"
            " followed at once the first time."
        ),
    ] = timedelta(seconds=10)
    max_retry_backoff: Annotated[
        timedelta, Meta(description="Most seconds before another attempt.")
    ] = timedelta(minutes=10)
    retries: Annotated[
        dict[str, RetrySettings],
        Meta(
            description="Rules of retries by reason code, where they differ from those"
            " that docs/operating.md lists: `counts` (as one of `max_attempts`),"
            " `most` (how many losses of the kind another attempt follows; 0: none)"
            " and `at_once` (no pause the first time)."
        ),
    ] = msgspec.field(default_factory=dict)
    max_run_time: Annotated[
        timedelta,
        Meta(
            description="Seconds that an attempt may run, from the start of its first"
            " executor; the task is then stopped as SYSTEM_ERROR. 0: no limit. Tasks"
            " may ask for less, see the backend parameter `max_run_time`."
        ),
    ] = timedelta(0)
    max_queue_time: Annotated[
        timedelta,
        Meta(
            description="Seconds that a task may wait in the queue at a stretch; it then"
            " ends as SYSTEM_ERROR. 0: no limit. Tasks may ask for less, see the backend"
            " parameter `max_queue_time`."
        ),
    ] = timedelta(0)

    def __post_init__(self) -> None:
        """Refuse invalid codes.

        Raises:
            ValueError: The message names the setting below ``scheduler``.
        """
        for name in self.retries:
            if not reason_code(name):
                raise ValueError(f"retries: {name[:64]} is not a reason code")


def attempt_rules(
    settings: AttemptSettings, quota: Callable[[], Quota]
) -> Callable[[], AttemptRules]:
    """Return a function for the rules that are in force, as settings and quota say."""
    retries = RetryPolicy(
        max_attempts=settings.max_attempts,
        max_uncounted=settings.max_uncounted_losses,
        backoff=Backoff(
            first=settings.retry_backoff, longest=settings.max_retry_backoff
        ),
        rules=_rules(settings.retries),
    )

    def most_of(record: TaskRecord) -> Limit:
        return most_of_one(record.subjects, quota())

    def rules() -> AttemptRules:
        of_task = quota().task
        return AttemptRules(
            retries=with_most_attempts(retries, of_task.attempts),
            times=TimeLimits(
                run=settings.max_run_time or None,
                queue=settings.max_queue_time or None,
                quota_run=of_task.run_time,
                quota_queue=of_task.queue_time,
            ),
            most_of=most_of,
        )

    return rules


def _rules(settings: Mapping[str, RetrySettings]) -> dict[ReasonCode, RetryRule]:
    presets = RetryPolicy()
    return {
        code: _rule(given, presets.rule(code))
        for name, given in settings.items()
        for code in [ReasonCode(name)]
    }


def _rule(given: RetrySettings, preset: RetryRule) -> RetryRule:
    return RetryRule(
        counts=preset.counts if given.counts is None else given.counts,
        most=preset.most if given.most is None else given.most,
        at_once=preset.at_once if given.at_once is None else given.at_once,
    )
