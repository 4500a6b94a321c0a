"""A simulation: what the policy does with a trace, and how that is shown."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from tesk_cli.adapters.examples import example_path, list_examples
from tesk_cli.adapters.simulation_files import read_quota, read_trace
from tesk_cli.adapters.system_clock import SystemClock
from tesk_cli.adapters.validation import parse_task, validate_task
from tesk_cli.cli.app import build_app
from tesk_cli.cli.dependencies import Dependencies
from tesk_cli.domain.simulation.picture import draw_blocks, draw_svg
from tesk_cli.domain.simulation.report import BINS, Waits, make_report
from tesk_cli.domain.simulation.simulator import simulate
from tesk_cli.domain.simulation.trace import TraceJob
from tesk_cli.domain.simulation.trace_synthetic import parse_synthetic
from tesk_model.errors import InvalidRequestError, NotFoundError
from tesk_scheduler.domain.quota import (
    FairShare,
    Limit,
    Quota,
    Rates,
    Share,
    Subject,
    SubjectKind,
)

TWO_CORES = Quota(capacity=Limit(cpu_millis=2000))


def job(
    owner: str, submitted: float = 0, run_time: float = 60, **more: Any
) -> TraceJob:
    fields: dict[str, Any] = {"resources": {"cpu_cores": 1}, **more}
    return TraceJob(owner=owner, submitted=submitted, run_time=run_time, **fields)


def starts(quota: Quota, *jobs: TraceJob) -> list[float | None]:
    return [each.started for each in simulate(quota, jobs)]


def test_tasks_start_when_others_end() -> None:
    assert starts(TWO_CORES, *[job("a")] * 5) == [0, 0, 60, 60, 120]


def test_a_task_that_comes_later_is_not_seen_before() -> None:
    assert starts(TWO_CORES, job("a"), job("a", submitted=30)) == [0, 30]


def test_owners_take_turns_by_what_they_use() -> None:
    jobs = [*[job("a")] * 3, *[job("b", submitted=1)] * 3]

    assert starts(TWO_CORES, *jobs) == [0, 0, 60, 60, 120, 120]


def test_what_the_quota_refuses_is_refused_with_its_reason() -> None:
    quota = Quota(capacity=Limit(cpu_millis=2000), users={"b": Limit(queued=0)})

    large, banned = simulate(quota, [job("a", resources={"cpu_cores": 3}), job("b")])

    assert large.started is None
    assert "3 exceeds the 2 cores" in large.refusal
    assert banned.refusal == "b may not queue tasks"


def test_priorities_order_the_tasks_of_an_owner() -> None:
    quota = Quota(capacity=Limit(cpu_millis=1000))
    jobs = [job("a"), job("a", submitted=1), job("a", submitted=2, priority="high")]

    assert starts(quota, *jobs) == [0, 120, 60]


def test_the_rate_of_admission_holds_in_simulated_time() -> None:
    quota = Quota(rates=Rates(per_second=0.1, burst=2))

    assert starts(quota, *[job("a", run_time=1)] * 4) == [0, 0, 10, 20]


def test_what_was_used_before_counts_when_a_newcomer_arrives() -> None:
    hour = timedelta(hours=1)
    quota = Quota(capacity=Limit(cpu_millis=4000), fair_share=FairShare(half_life=hour))
    old = [job("old", run_time=3600)] * 48
    new = [job("new", submitted=8.5 * 3600, run_time=3600)] * 8

    results = simulate(quota, [*old, *new])

    # By what runs alone it would be two at a time.
    assert [each.started for each in results[-8:]][:3] == [9 * 3600] * 3


@settings(max_examples=8, deadline=None)
@given(
    weights=st.lists(st.sampled_from([1, 2, 4]), min_size=2, max_size=3),
    seed=st.integers(min_value=1, max_value=99),
)
def test_while_all_wait_shares_are_in_proportion_to_weights(
    weights: list[int], seed: int
) -> None:
    trace = parse_synthetic(
        f"owners={len(weights)},tasks=120,every=0,run=50-70,seed={seed}"
    )
    quota = Quota(
        capacity=Limit(cpu_millis=1000 * 4 * sum(weights)),
        shares={
            Subject(SubjectKind.USER, f"owner{number}"): Share(weight=weight)
            for number, weight in enumerate(weights, 1)
        },
    )

    results = simulate(quota, trace.jobs)

    first = [each for each in results if each.started == 0]
    for number, weight in enumerate(weights, 1):
        own = sum(each.job.owner == f"owner{number}" for each in first)
        assert abs(own - 4 * weight) <= 1


@settings(max_examples=8, deadline=None)
@given(
    owners=st.integers(min_value=1, max_value=4),
    seed=st.integers(min_value=1, max_value=99),
    cores=st.integers(min_value=4, max_value=16),
)
def test_every_task_starts_and_no_more_runs_than_there_is(
    owners: int, seed: int, cores: int
) -> None:
    trace = parse_synthetic(
        f"owners={owners},tasks=60,every=20,run=10-600,cpu=1-4,skew=1,seed={seed}"
    )
    quota = Quota(capacity=Limit(cpu_millis=1000 * cores))

    results = simulate(quota, trace.jobs)

    report = make_report(results, quota)
    assert report.total.never_started == 0
    assert all(each.wait is not None and each.wait >= 0 for each in results)
    assert max(report.total.timeline) <= 1000 * cores + 1e-6


def test_a_report_has_waits_shares_and_utilisation() -> None:
    jobs = [job("a", run_time=100), job("b", run_time=100), job("a", run_time=100)]

    report = make_report(simulate(TWO_CORES, jobs), TWO_CORES)

    assert report.span == 200
    assert report.utilisation == {"cpu": pytest.approx(0.75)}
    alice, bob = report.owners
    assert (alice.owner, alice.tasks) == ("a", 2)
    assert alice.waits == Waits(mean=50, p50=0, p95=100, most=100)
    assert alice.share == pytest.approx(2 / 3)
    assert bob.utilisation == pytest.approx(0.25)
    assert report.total.waits == Waits(mean=100 / 3, p50=0, p95=100, most=100)
    assert list(alice.timeline) == pytest.approx([1000.0] * BINS)
    assert list(bob.timeline) == pytest.approx([1000.0] * 30 + [0.0] * 30)


def test_blocks_show_little_as_little_and_nothing_as_nothing() -> None:
    assert draw_blocks([0, 0.01, 4, 8, 9], 8) == " ▁▄██"
    assert draw_blocks([0, 0], 0) == "  "


def test_the_picture_is_valid_and_shows_names_as_text() -> None:
    names = ['<script>alert("x")</script>', "a\x1b[31m&", *"bcdefghijklm"]
    jobs = [job(name) for name in names]
    report = make_report(simulate(TWO_CORES, jobs), TWO_CORES)

    tree = ET.fromstring(draw_svg(report))  # noqa: S314 - our own text

    tags = {element.tag.rpartition("}")[2] for element in tree.iter()}
    assert tags == {"svg", "rect", "text", "g", "title", "path"}
    texts = [element.text or "" for element in tree.iter()]
    assert any('<script>alert("x")</script>' in text for text in texts)
    assert any("4 others" in text for text in texts)


QUOTA = "capacity: {cpu: 2}\n"
TRACE = "submitted,owner,run_time\n0,alice,60\n0,bob,60\n0,alice,60\n"


def run(*arguments: str) -> Any:
    dependencies = Dependencies(
        connect=lambda _url: pytest.fail("calls no server"),
        validate=validate_task,
        parse=parse_task,
        storage=lambda _folders: pytest.fail("opens no storage"),
        clock=SystemClock(),
        local_server=lambda: None,
        embedded=lambda _folders: pytest.fail("starts no server"),
        serve=lambda _verbose: None,
        examples=list_examples,
        example_path=example_path,
        admin=lambda _caller: pytest.fail("calls no scheduler"),
        simulation=lambda quota, trace: (read_quota(quota), read_trace(trace)),
    )
    return CliRunner().invoke(
        build_app(), ["admin", "simulate", *arguments], obj=dependencies
    )


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    quota, trace = tmp_path / "quota.yaml", tmp_path / "trace.csv"
    quota.write_text(QUOTA)
    trace.write_text(TRACE)
    return str(quota), str(trace)


def test_the_command_prints_a_table_and_draws_a_picture(
    files: tuple[str, str], tmp_path: Path
) -> None:
    picture = tmp_path / "picture.svg"

    result = run(*files, "--plot", str(picture))

    assert result.exit_code == 0
    first, second, *_ = result.stdout.splitlines()
    assert first.split()[:4] == ["OWNER", "TASKS", "STARTED", "MEAN"]
    assert second.split()[:9] == [
        *("alice", "2", "2", "30s", "0s", "1.0m", "1.0m"),
        *("66.7%", "50.0%"),
    ]
    assert "utilisation: cpu 75.0%" in result.stdout
    assert ET.parse(picture).getroot().tag.endswith("svg")  # noqa: S314


def test_the_command_prints_json(files: tuple[str, str]) -> None:
    result = run(*files, "--json")

    found = json.loads(result.stdout)
    assert found["span_seconds"] == 120
    assert [each["owner"] for each in found["owners"]] == ["alice", "bob"]
    assert found["owners"][0]["wait_seconds"] == {
        "mean": 30.0,
        "p50": 0.0,
        "p95": 60.0,
        "max": 60.0,
    }


REFUSED = {
    "no capacity": ("{}", "QUOTA capacity: a simulation knows no nodes: give numbers"),
    "a wrong field": ("capacities: {cpu: 1}", "QUOTA: has the unknown field"),
    "no YAML": ("{", "QUOTA: is not YAML"),
    "lists without end": ("[" * 30_000, "QUOTA: is nested deeper than 100 levels"),
}


@pytest.mark.parametrize(("text", "want"), REFUSED.values(), ids=list(REFUSED))
def test_a_quota_that_cannot_be_simulated_is_refused(
    text: str, want: str, tmp_path: Path
) -> None:
    file = tmp_path / "quota.yaml"
    file.write_text(text)

    with pytest.raises(InvalidRequestError) as caught:
        read_quota(file)

    assert str(caught.value.violations[0]).startswith(want)


def test_files_that_are_missing_or_no_text_are_named(tmp_path: Path) -> None:
    binary = tmp_path / "trace.csv"
    binary.write_bytes(b"\xff\xfe\x00")

    with pytest.raises(NotFoundError, match="no such file"):
        read_quota(tmp_path / "none.yaml")
    with pytest.raises(NotFoundError, match="no such file"):
        read_trace(str(tmp_path / "none.csv"))
    with pytest.raises(InvalidRequestError) as caught:
        read_trace(str(binary))
    assert "cannot be read" in str(caught.value.violations[0])
