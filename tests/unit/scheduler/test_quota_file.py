"""A quota is one YAML document: all of it is read, or all that is wrong is told."""

from datetime import timedelta

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tesk_model.quantities import GIB
from tesk_runtime.document_loading import MAX_BYTES, InvalidDocumentError
from tesk_runtime.document_problems import DocumentProblem
from tesk_scheduler.domain.quota import (
    Amounts,
    FairShare,
    Limit,
    Order,
    Rates,
    Share,
    Subject,
    SubjectKind,
    TaskLimits,
)
from tesk_scheduler.domain.quota_warnings import quota_warnings
from tesk_scheduler.quota_config.changes import difference
from tesk_scheduler.quota_config.conversion import quota_from_settings
from tesk_scheduler.quota_config.loading import load_quota
from tesk_scheduler.quota_config.settings import QuotaSettings

WHOLE = """
quota:
  order: strict
  fairShare: {enabled: true, halfLife: 12h, sample: 30s, resources: {cpu: 1, gpu: 4}}
  capacity: auto
  rate: {admitPerSecond: 20, burst: 50, perOwnerPerSecond: 10}
  everybody: {running: 5000, gpuTypes: {a100: 8}}
  limits:
    - {match: {user: "*"}, maxRunning: 50, maxQueued: 10000, weight: 0.5,
       max: {cpu: 200, ram_gb: 800, disk_gb: 5000, gpu: 2, gpuTypes: {a100: 1}}}
    - {match: {user: root}}
    - match: {group: genomics}
      maxRunning: 500
      max: {cpu: 2000}
      guaranteed: {cpu: 500}
      borrowing: {cpu: 1000}
      lending: {cpu: 100}
      weight: 2
      maxPriority: 50
    - {match: {namespace: team-a}, maxRunning: 300}
  perTask:
    max: {cpu: 64, ramGb: 512, gpuTypes: {a100: 4}}
    maxExecutors: 50
    maxRuntime: 72h
    maxQueueTime: 7d
    maxAttempts: 5
  priorities: {low: -100, normal: 0, urgent: 500}
"""
GENOMICS = Subject(SubjectKind.GROUP, "genomics")
ANY_USER = Subject(SubjectKind.USER, "*")


def problems_of(text: str) -> list[str]:
    with pytest.raises(InvalidDocumentError) as refused:
        load_quota(text)
    return [str(each) for each in refused.value.problems]


def test_every_part_of_a_quota_is_read() -> None:
    quota = quota_from_settings(load_quota(WHOLE), Limit())

    assert quota.order is Order.STRICT
    assert quota.fair_share == FairShare(
        half_life=timedelta(hours=12),
        sample=timedelta(seconds=30),
        resources={"cpu_millis": 1, "gpu": 4},
    )
    assert quota.rates == Rates(per_second=20, burst=50, per_owner_per_second=10)
    assert quota.everybody == Limit(running=5000)
    assert quota.users == {
        "*": Limit(
            running=50,
            queued=10_000,
            cpu_millis=200_000,
            ram=800 * GIB,
            disk=5000 * GIB,
            gpu=2,
        ),
        "root": Limit(),
    }
    assert quota.groups == {"genomics": Limit(running=500, cpu_millis=2_000_000)}
    assert quota.namespaces == {"team-a": Limit(running=300)}
    assert quota.gpu_types == {
        Subject(SubjectKind.ALL, ""): {"a100": 8},
        ANY_USER: {"a100": 1},
    }
    assert quota.shares == {
        ANY_USER: Share(weight=0.5),
        Subject(SubjectKind.USER, "root"): Share(),
        GENOMICS: Share(
            weight=2,
            guaranteed=Amounts(cpu_millis=500_000),
            borrowing=Limit(cpu_millis=1_000_000),
            lending=Limit(cpu_millis=100_000),
            max_priority=50,
        ),
    }
    assert quota.per_task == Limit(cpu_millis=64_000, ram=512 * GIB)
    assert quota.task == TaskLimits(
        executors=50,
        run_time=timedelta(hours=72),
        queue_time=timedelta(days=7),
        attempts=5,
        gpu_types={"a100": 4},
    )
    assert quota.priorities == {"low": -100, "normal": 0, "urgent": 500}


def test_the_section_of_the_settings_is_read_as_it_was() -> None:
    text = "{users: {'*': {running: 3}}, per_task: {cpu: 2}, patience: 5}"

    quota = quota_from_settings(load_quota(text), Limit())

    assert quota.users == {"*": Limit(running=3)}
    assert quota.per_task == Limit(cpu_millis=2000)
    assert quota.reserve_after == timedelta(seconds=5)


@pytest.mark.parametrize("text", ["{gpu: 0}", "{max: {gpu: 0}}"])
def test_none_is_a_limit_of_one_task_wherever_it_stands(text: str) -> None:
    quota = quota_from_settings(load_quota(f"per_task: {text}"), Limit())

    assert quota.per_task == Limit(gpu=0)


def test_all_that_is_wrong_is_told_with_its_place() -> None:
    text = """
    users: {alice: {cpu: many, cpus: 3}}
    everybody: {running: -1}
    orders: strict
    limits:
      - {match: {user: bob}, maxRunning: 1.5}
      - {match: {user: "*", group: lab}}
      - {maxRunning: 3}
      - {match: {group: g}, guaranteed: {cpu: 8}, max: {cpu: 4}, borrowing: {gpu: 1}}
    perTask: {maxRuntime: soon}
    """

    found = problems_of(text)

    assert [each.partition(": ")[0].partition(", ")[0] for each in found] == [
        "users.alice.cpu",
        "users.alice",
        "everybody.running",
        'has the unknown field "orders"',
        "limits[0].max_running",
        "limits[1].match",
        "limits[2]",
        "limits[3]",
        "limits[3]",
        "per_task.max_runtime",
    ]
    text = "\n".join(found)
    assert 'unknown field "cpus", perhaps for "cpu"' in text
    assert 'unknown field "orders", perhaps for "order"' in text
    assert "borrowing.gpu: needs guaranteed.gpu" in text
    assert "guaranteed.cpu: 8.0 is more than max.cpu (4.0)" in text


REFUSED: dict[str, tuple[str, str]] = {
    "no mapping": ("- a", "must be a mapping; {} sets no limits"),
    "nothing": ("", "must be a mapping; {} sets no limits"),
    "not YAML": ("{a: [", "is not YAML"),
    "too deep": ("users: " + "[" * 60_000, "is nested deeper than 100 levels"),
    "a user twice": (
        "users: {alice: {running: 3}, alice: {running: 99}}",
        "has the name 'alice' twice in one mapping; see its line 1",
    ),
    "a number without end": (
        "users: {a: {running: 0x" + "f" * 9000 + "}}",
        "has a number of more than 100 digits",
    ),
    "a file in the file": ("file: x", "file: is for the settings alone"),
    "two entries of one user": (
        "{users: {a: {}}, limits: [{match: {user: a}}]}",
        "limits: the user a has 2 entries: leave one",
    ),
    "a namespace with a share": (
        "limits: [{match: {namespace: a}, weight: 2}]",
        "a namespace has limits alone",
    ),
    "lending of everybody else": (
        "limits: [{match: {user: '*'}, guaranteed: {cpu: 1}, lending: {cpu: 0}}]",
        "lending: needs a name in match",
    ),
    "more lent than there is": (
        "limits: [{match: {user: a}, guaranteed: {cpu: 1}, lending: {cpu: 2}}]",
        "lending.cpu: 2.0 is more than guaranteed.cpu",
    ),
    "an amount given twice": (
        "per_task: {cpu: 1, max: {cpu: 2}}",
        "per_task: cpu: is given twice",
    ),
    "no cores, below max": (
        "per_task: {max: {cpu: 0, ram_gb: 2}}",
        "per_task.max.cpu: 0 would let no task run at all",
    ),
    "no cores, given twice": (
        "per_task: {cpu: 4, max: {cpu: 0, ram_gb: 1}}",
        "per_task: cpu: is given twice",
    ),
    "no executors": ("per_task: {max_executors: 0}", "max_executors: must be at least"),
    "no time": ("per_task: {max_runtime: 0}", "max_runtime: must be more than 0"),
    "an unknown resource": (
        "fair_share: {resources: {cpus: 1}}",
        "resources.cpus: is not known; there are cpu, ram, disk, gpu",
    ),
    "no rate": ("rate: {admit_per_second: 0}", "admit_per_second: must be more than 0"),
    "a priority out of bounds": ("priorities: {a: 5000}", "must be at most 1000"),
    "an unknown order": ("order: fifo", "order: must be one of best-effort, strict"),
    "too much": ("#" * (MAX_BYTES + 1), "must be at most"),
}


@pytest.mark.parametrize(("text", "want"), REFUSED.values(), ids=REFUSED)
def test_a_wrong_quota_is_refused_with_the_cure(text: str, want: str) -> None:
    (found,) = problems_of(text)

    assert want in found


def test_a_difference_names_each_setting_before_and_after() -> None:
    old = load_quota("{users: {alice: {cpu: 16}}, limits: [{match: {group: g}}]}")
    new = load_quota(
        "{users: {alice: {cpu: 32.5}}, order: strict, reserve_after: 30, limits:"
        " [{match: {user: bob}, max_running: 2}, {match: {group: g}, weight: 3}]}"
    )

    found = list(map(str, difference(old, new)))

    assert found == [
        "users.alice.cpu: 16 → 32.5",
        "limits.group g.weight: 1 → 3",
        "order: best-effort → strict",
        "reserve_after: 600 s → 30 s",
        "limits.user bob.max_running: none → 2",
        "limits.user bob.weight: none → 1",
    ]
    assert difference(new, new) == []


def test_the_order_of_entries_is_no_difference() -> None:
    entries = ["{match: {user: a}, max_running: 1}", "{match: {user: b}}"]
    one, other = (
        load_quota(f"limits: [{', '.join(order)}]")
        for order in (entries, entries[::-1])
    )

    assert difference(one, other) == []
    assert difference(QuotaSettings(), load_quota("{}")) == []


NAMES = st.sampled_from(
    [
        *QuotaSettings.__struct_fields__,
        *("cpu", "ram_gb", "gpuTypes", "match", "user", "maxRuntime", "max"),
        *("guaranteed", "lending", "weight", "half_life", "*", "x"),
    ]
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.sampled_from(["72h", "999999999999d", "auto", "strict", "", "a"]),
)
DOCUMENTS = st.dictionaries(
    st.one_of(NAMES, st.integers()),
    st.recursive(
        SCALARS,
        lambda inner: st.one_of(
            st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, max_size=4)
        ),
        max_leaves=12,
    ),
    max_size=4,
)


@given(DOCUMENTS)
def test_whatever_a_document_holds_it_is_a_quota_or_refused(
    document: dict[object, object],
) -> None:
    settings: QuotaSettings | None = None
    problems: tuple[DocumentProblem, ...] = ()
    try:
        settings = load_quota(yaml.safe_dump(document))
    except InvalidDocumentError as error:
        problems = error.problems

    assert (settings is None) == bool(problems)
    if settings is not None:
        quota = quota_from_settings(settings, Limit())
        assert quota_warnings(quota) is not None
        assert difference(settings, settings) == []


@pytest.mark.parametrize("text", ["&a {users: *a}", "&a {limits: [*a]}", "[" * 5000])
def test_a_document_without_an_end_is_refused(text: str) -> None:
    assert problems_of(text)
