"""Traces of submissions: what is read of them, and what is refused."""

from collections.abc import Callable, Iterator

import pytest

from tesk_cli.domain.simulation.trace import MAX_JOBS, Trace, TraceJob
from tesk_cli.domain.simulation.trace_swf import parse_swf
from tesk_cli.domain.simulation.trace_synthetic import parse_synthetic
from tesk_cli.domain.simulation.trace_tables import parse_table
from tesk_model.errors import InvalidRequestError

ALICE = TraceJob(
    submitted=0,
    owner="alice",
    run_time=3600,
    resources={"cpu_cores": 4, "ram_gb": 16},
    groups=("genomics", "all"),
)
BOB = TraceJob(submitted=12.5, owner="bob", run_time=60, resources={}, priority="high")
CSV = """\
owner,submitted,run_time,cpu_cores,ram_gb,groups,priority
bob,12.5,60,,,,high

alice,0,3600,4,16,genomics; all,
"""
JSON = """\
{"submitted": 12.5, "owner": "bob", "run_time": 60, "priority": "high"}
{"submitted": 0, "owner": "alice", "run_time": 3600, "cpu_cores": 4, "ram_gb": 16, "groups": ["genomics", "all"]}
"""


@pytest.mark.parametrize(
    "text", [CSV, JSON, "\ufeff" + CSV], ids=["csv", "json", "bom"]
)
def test_a_table_has_one_task_in_each_line_in_any_order(text: str) -> None:
    trace = parse_table(text.splitlines(keepends=True))

    assert trace == Trace(jobs=[ALICE, BOB])


SWF = """\
; Version: 2.2
1 0 10 3600 4 -1 1048576 8 7200 -1 1 7 3 -1 1 -1 -1 -1
2 5.5 -1 60 2 -1 -1 -1 -1 524288 0 8 -1 -1 -1 -1 -1 -1
3 6 -1 -1 2 -1 -1 2 -1 -1 5 8 -1 -1 -1 -1 -1 -1
4 7 -1 9 2 -1 -1 2 -1 -1 3 8 -1 -1 -1 -1 -1 -1
"""


def test_the_standard_workload_format_is_read_by_its_fields() -> None:
    trace = parse_swf(SWF.splitlines())

    assert trace == Trace(
        jobs=[
            TraceJob(
                submitted=0,
                owner="user7",
                run_time=3600,
                resources={"cpu_cores": 8, "ram_gb": 8},
                groups=("group3",),
            ),
            TraceJob(
                submitted=5.5,
                owner="user8",
                run_time=60,
                resources={"cpu_cores": 2, "ram_gb": 1},
            ),
        ],
        left_out=2,
    )


def test_a_synthetic_trace_is_the_same_for_the_same_text() -> None:
    text = "owners=4,tasks=50,groups=2,skew=1,every=3,run=10-20,cpu=1-8,gpu=1,seed=7"

    trace = parse_synthetic(text)

    assert trace == parse_synthetic(text)
    assert trace != parse_synthetic(text.replace("seed=7", "seed=8"))
    assert len(trace.jobs) == 50
    assert {job.owner for job in trace.jobs} <= {f"owner{n}" for n in (1, 2, 3, 4)}
    assert {job.groups for job in trace.jobs} <= {("group1",), ("group2",)}
    assert all(10 <= job.run_time <= 20 for job in trace.jobs)
    assert all(1 <= job.resources["cpu_cores"] <= 8 for job in trace.jobs)
    assert all(job.resources["gpu"] == 1 for job in trace.jobs)
    times = [job.submitted for job in trace.jobs]
    assert times == sorted(times)


Read = Callable[[str], Trace]


def table(text: str) -> Trace:
    return parse_table(text.splitlines())


def swf(text: str) -> Trace:
    return parse_swf(text.splitlines())


HEAD = "submitted,owner,run_time\n"
WRONG: dict[str, tuple[Read, str, str]] = {
    "nothing": (table, "", "TRACE line 1: is the header of a CSV file and must name"),
    "no task": (table, HEAD, "TRACE: has no task that ran"),
    "no run time": (table, "submitted,owner\n", "must name run_time"),
    "an unknown field": (table, HEAD[:-1] + ",color\n", "'color' is none of them"),
    "a field twice": (table, HEAD[:-1] + ",owner\n", "at most once"),
    "fields that are missing": (
        table,
        HEAD + "1,a,1\n\n2,b\n",
        "TRACE line 4: has 2 fields, but the header 3",
    ),
    "a value that is missing": (table, HEAD + "1,,1\n", "line 2: owner is missing"),
    "no number": (
        table,
        HEAD + "1,a,long\n",
        "TRACE line 2: run_time must be a number from 0 to 3153600000, not 'long'",
    ),
    "not finite": (table, HEAD + "nan,a,1\n", "submitted must be a number"),
    "negative": (table, HEAD + "-1,a,1\n", "submitted must be a number"),
    "a line without end": (
        table,
        HEAD + "1," + "a" * 10_000 + ",1\n",
        "TRACE line 2: must be at most 10,000 characters long",
    ),
    "no JSON": (table, '{"submitted": 1\n', "TRACE line 1: is no JSON"),
    "deep JSON": (table, "{" + '"a":[' * 1500 + "\n", "TRACE line 1: is no JSON"),
    "groups that are no list": (
        table,
        '{"submitted": 1, "owner": "a", "run_time": 1, "groups": "g"}\n',
        "TRACE line 1: groups must be a list of at most 100 names",
    ),
    "another format": (swf, HEAD, "TRACE line 1: has 1 fields; the Standard"),
    "letters": (swf, "x " * 18, "TRACE line 1: field 1 must be a number"),
    "another line": (swf, "; c\n;\n1 2\n", "TRACE line 3: has 2 fields"),
    "an unknown name": (parse_synthetic, "cats=3", "'cats=3' must be NAME=VALUE"),
    "a name twice": (parse_synthetic, "seed=3,seed=4", "'seed=4' must be NAME=VALUE"),
    "too many tasks": (parse_synthetic, "tasks=999999", f"from 1 to {MAX_JOBS:,}"),
    "no whole number": (parse_synthetic, "owners=1.5", "owners must be a whole number"),
    "a range backwards": (parse_synthetic, "cpu=4-1", "begin with the larger number"),
    "no time to run": (parse_synthetic, "run=0-1", "run must begin with 1 second"),
}


@pytest.mark.parametrize(("read", "text", "want"), WRONG.values(), ids=list(WRONG))
def test_what_is_no_trace_is_refused_with_its_line(
    read: Read, text: str, want: str
) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        read(text)

    assert want in str(caught.value.violations[0])


def test_a_trace_is_not_read_beyond_the_most_tasks() -> None:
    def lines() -> Iterator[str]:
        yield HEAD
        for _ in range(MAX_JOBS + 1):
            yield "1,a,1\n"
        pytest.fail("reads on")

    with pytest.raises(InvalidRequestError) as caught:
        parse_table(lines())

    assert "at most 200,000 tasks" in str(caught.value.violations[0])
