"""A task names a receiver of its events only where the operator lets it."""

from dataclasses import replace
from pathlib import Path

import pytest

from builders.webhooks import make_target
from fakes.scheduler_environment import CountingIds, FrozenClock
from schedulers.databases import sqlite_database
from schedulers.served import RunningScheduler
from tesk.v1 import task_pb2
from tesk_model.errors import InvalidRequestError, TeskError
from tesk_model.task import TaskId
from tesk_model.url_lists import parse_url_patterns
from tesk_scheduler.adapters.store.store import SqlTaskStore
from tesk_scheduler.domain.callers import Caller
from tesk_scheduler.domain.quota import Quota
from tesk_scheduler.domain.records import Document, Micros
from tesk_scheduler.domain.state_changes import ChangeFilter, Position
from tesk_scheduler.domain.webhooks.targets import Audience, Targets
from tesk_scheduler.ports.environment import no_namespace
from tesk_scheduler.ports.quota import FixedQuota
from tesk_scheduler.ports.webhooks import FixedTargets
from tesk_scheduler.usecases.acceptance import Draft
from tesk_scheduler.usecases.notifier import LeaderWakeup
from tesk_scheduler.usecases.submission import Submission

CI = "https://ci.example.org/hooks"
ANNAS = make_target(
    name="ci",
    url="",
    beginnings=parse_url_patterns([CI], "urls"),
    audience=Audience(users=frozenset({"anna"})),
)
DRAFT = Draft(
    caller=Caller("anna", (), admin=False, request_id=""),
    document=Document(b""),
    executors=1,
    name=None,
    tags={},
    resources={},
    idempotency_key="",
    warnings=(),
)


def submit(folder: Path, *drafts: Draft) -> tuple[list[TaskId | TeskError], list[str]]:
    """Return what came of drafts, and the receivers that are stored."""
    store = SqlTaskStore.open(sqlite_database(folder / "tesk.db"))
    results = Submission(
        store=store,
        clock=FrozenClock(),
        ids=CountingIds(),
        quotas=FixedQuota(Quota()),
        namespace_of=no_namespace,
        leader=LeaderWakeup(),
        webhooks=FixedTargets(Targets((ANNAS,))),
    ).submit(drafts)
    everything = (ChangeFilter(owner=None),)
    page = store.state_changes(Position(0, Micros(0)), everything, limit=99)
    tasks = store.deliveries.event_tasks([each.task for each in page.changes])
    store.close()
    return results, [each.webhook for each in tasks.values()]


def naming(url: str, user: str = "anna") -> Draft:
    caller = replace(DRAFT.caller, user=user)
    return replace(DRAFT, caller=caller, parameters={"Webhook": url})


def test_a_receiver_that_is_allowed_is_kept_with_the_task(tmp_path: Path) -> None:
    results, stored = submit(tmp_path, naming(f"{CI}/1"), DRAFT)

    assert results == ["t-1", "t-2"]
    assert sorted(stored) == ["", f"{CI}/1"]


REFUSED = {
    "another server": naming("https://evil.example.org/"),
    "a metadata service": naming("http://169.254.169.254/latest"),
    "of another user": naming(f"{CI}/1", user="bob"),
    "no url": naming("x"),
}


@pytest.mark.parametrize("draft", REFUSED.values(), ids=REFUSED)
def test_any_other_is_refused_with_its_field(draft: Draft, tmp_path: Path) -> None:
    (refusal, accepted), stored = submit(tmp_path, draft, DRAFT)

    assert isinstance(refusal, InvalidRequestError)
    assert [each.path for each in refusal.violations] == [
        "resources.backend_parameters.webhook"
    ]
    assert isinstance(accepted, str)
    assert stored == [""]


def test_where_there_are_no_webhooks_none_can_be_named(
    running: RunningScheduler,
) -> None:
    resources = task_pb2.Resources(backend_parameters={"webhook": f"{CI}/1"})

    with pytest.raises(InvalidRequestError, match="ask the operator for an entry"):
        running.create(resources=resources)
