"""Who is told: the operator's receivers, and those that tasks may name."""

import pytest

from builders.webhooks import make_target
from tesk_model.states import TaskState
from tesk_model.url_lists import parse_url_patterns
from tesk_scheduler.domain.webhooks.targets import (
    Audience,
    Recipient,
    Target,
    Targets,
    url_problem,
)

RUNNING, COMPLETE = TaskState.RUNNING, TaskState.COMPLETE
CI = "https://ci.example.org/hooks"


def of_tasks(*users: str) -> Target:
    return make_target(
        name="ci",
        url="",
        beginnings=parse_url_patterns([CI], "urls"),
        audience=Audience(users=frozenset(users)),
    )


def told(
    targets: Targets,
    state: TaskState = COMPLETE,
    *,
    owner: str = "anna",
    named: str = "",
) -> list[str]:
    found = targets.recipients(owner, ["genomics"], state, named=named)
    return [each.target for each in found]


AUDIENCES = {
    "everybody": (Audience(), True),
    "the owner": (Audience(users=frozenset({"anna"})), True),
    "one of the owner's groups": (Audience(groups=frozenset({"x", "genomics"})), True),
    "another owner": (Audience(users=frozenset({"bob"})), False),
    "another group": (Audience(groups=frozenset({"physics"})), False),
    "the owner, or another group": (
        Audience(users=frozenset({"anna"}), groups=frozenset({"physics"})),
        True,
    ),
    "this state": (Audience(states=frozenset({COMPLETE})), True),
    "another state": (Audience(states=frozenset({RUNNING})), False),
}


@pytest.mark.parametrize(("audience", "is_told"), AUDIENCES.values(), ids=AUDIENCES)
def test_a_receiver_is_told_what_it_is_to_hear(
    audience: Audience, is_told: bool
) -> None:
    targets = Targets((make_target(audience=audience),))

    assert told(targets) == (["lab"] if is_told else [])


NAMED = {
    "below a beginning": (f"{CI}/a?token=1", ["ci"]),
    "the beginning itself": (CI, ["ci"]),
    "beside it": (f"{CI}-other", []),
    "another host": ("https://evil.example.org/hooks", []),
    "another scheme": ("http://ci.example.org/hooks", []),
    "another port": ("https://ci.example.org:444/hooks", ["ci"]),
    "a way out of it": (f"{CI}/../other", []),
    "a way out of it, encoded": (f"{CI}/%2e%2e/other", []),
    "no url": ("hooks", []),
}


@pytest.mark.parametrize(("url", "want"), NAMED.values(), ids=NAMED)
def test_a_task_may_name_receivers_as_the_operator_says(
    url: str, want: list[str]
) -> None:
    targets = Targets((of_tasks(),))

    assert told(targets, named=url) == want
    problems = list(targets.problems(url, "anna", []))
    assert bool(problems) == (not want)
    for each in problems:
        assert each.path == "resources.backend_parameters.webhook"


def test_only_tasks_of_its_audience_may_name_a_receiver() -> None:
    targets = Targets((of_tasks("bob"),))

    assert told(targets, named=CI) == []
    assert told(targets, owner="bob", named=CI) == ["ci"]
    assert list(targets.problems(CI, "anna", []))


def test_a_task_tells_its_receiver_besides_the_others() -> None:
    targets = Targets((make_target(), of_tasks()))

    assert told(targets, named=CI) == ["lab", "ci"]
    assert told(targets) == ["lab"]


URLS = {
    "https": ("https://h.example.org/x?y=%20z", None),
    "no host": ("https:///x", "names no host"),
    "a password": ("https://u:p@h.example.org/", "user or password"),
    "a file": ("file:///etc/passwd", "by https"),
    "ftp": ("ftp://h.example.org/", "by https"),
    "nothing of a url": ("h.example.org", ""),
    "too long": (f"https://h.example.org/{'x' * 2048}", "at most 2048"),
    "a fragment": ("https://h.example.org/#x", "fragment"),
}


@pytest.mark.parametrize(("url", "want"), URLS.values(), ids=URLS)
def test_urls_that_events_cannot_be_sent_to_are_refused(
    url: str, want: str | None
) -> None:
    found = url_problem(url)

    if want is None:
        assert found is None
    else:
        assert found is not None
        assert want in found


def test_what_fails_together_is_a_target_or_a_server() -> None:
    fixed = Recipient("lab", "https://a.example.org/x")
    one, two, other = (
        Recipient("ci", url, is_of_task=True)
        for url in (f"{CI}/1", f"{CI}/2?x", "https://[2001:DB8::1]:8443/")
    )

    assert fixed.destination == "lab"
    assert one.destination == two.destination == "ci https://ci.example.org:443"
    assert other.destination == "ci https://[2001:db8::1]:8443"


def test_a_target_that_has_moved_gets_its_events_there() -> None:
    moved = make_target(url="https://new.example.org/")
    named = Recipient("ci", CI, is_of_task=True)

    assert moved.url_of(Recipient("lab", "https://old.example.org/")) == moved.url
    assert of_tasks().url_of(named) == CI


def test_a_receiver_that_is_listed_no_more_gets_nothing_more() -> None:
    named = Recipient("ci", CI, is_of_task=True)
    targets = Targets((make_target(), of_tasks()))

    assert targets.may_send(named)
    assert targets.may_send(Recipient("lab", "https://before.example.org/"))
    assert not targets.may_send(Recipient("gone", CI))
    assert not targets.may_send(Recipient("lab", CI, is_of_task=True))
    assert not targets.may_send(Recipient("ci", CI))
    assert not targets.may_send(
        Recipient("ci", "https://other.example.org/", is_of_task=True)
    )
