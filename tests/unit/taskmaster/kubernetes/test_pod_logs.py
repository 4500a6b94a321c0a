"""The streams of an executor, split from the one log of its pod."""

import threading
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.kubernetes_api import FakeKubernetesApi
from fakes.kubernetes_cluster import FakeCluster
from programs.waiting import eventually
from tesk_kubernetes.api import JOBS, PODS, ApiUnavailableError, JsonObject
from tesk_taskmaster.adapters.kubernetes.control.logs import (
    PodLog,
    split_log,
)
from tesk_taskmaster.adapters.kubernetes.manifests.executor_job import RETURN_MARK
from tesk_taskmaster.domain.tails import TAIL_BYTES
from tesk_taskmaster.ports import Tails

MARK = b"\x02err\x02"
SOON = timedelta(seconds=30)
# Letters of the mark are likely, so that false beginnings of it are.
BYTES = st.lists(st.sampled_from([b"\x02", b"e", b"r", b"x", b"\r"])).map(b"".join)
TEXT = BYTES.filter(lambda text: MARK not in text)


@st.composite
def logs(draw: st.DrawFn) -> tuple[list[bytes], bytes, bytes]:
    """Return a log in pieces, and what both streams were."""
    lines = draw(st.lists(st.tuples(st.booleans(), TEXT), max_size=12))
    whole = b"".join((MARK if err else b"") + line + b"\n" for err, line in lines)
    cuts = draw(st.lists(st.integers(0, len(whole))))
    edges = [0, *sorted(cuts), len(whole)]
    pieces = [whole[a:b] for a, b in pairwise(edges)]
    out = b"".join(line + b"\n" for err, line in lines if not err)
    err = b"".join(line + b"\n" for err, line in lines if err)
    return pieces, out, err


@given(logs())
def test_streams_are_split_wherever_a_piece_ends(
    drawn: tuple[list[bytes], bytes, bytes],
) -> None:
    pieces, out, err = drawn

    assert split_log(pieces, MARK) == Tails(out, err)


RETURNED = st.lists(st.sampled_from([b"\r", b"\n", b"\x02", b"c", b"\r\n"])).map(
    b"".join
)


@given(RETURNED, st.lists(st.integers(0, 40)))
def test_returns_at_the_ends_of_lines_come_back(data: bytes, cuts: list[int]) -> None:
    marked = data.replace(b"\r\n", b"\r" + RETURN_MARK.encode() + b"\n")
    edges = [0, *sorted(min(cut, len(marked)) for cut in cuts), len(marked)]

    pieces = [marked[a:b] for a, b in pairwise(edges)]

    assert split_log(pieces, MARK).stdout == data


def test_returns_come_back_whatever_comes_between() -> None:
    whole = b"\r" + RETURN_MARK.encode() + b"\n"
    for cut in range(1, len(whole)):
        log = b"a" + whole[:cut] + MARK + b"b" + whole + whole[cut:]

        assert split_log([log], MARK) == Tails(b"a\r\n", b"b\r\n")


def test_a_mark_in_the_middle_of_a_line_begins_stderr() -> None:
    log = b"no newline" + MARK + b"oh\nmore" + MARK + b"a" + MARK + b"b\nend"

    assert split_log([log], MARK) == Tails(b"no newlinemoreend", b"oh\nab\n")


def test_text_that_resembles_a_mark_is_kept() -> None:
    assert split_log([b"a\x02er", b"\x02"], MARK) == Tails(b"a\x02er\x02", b"")
    assert split_log([MARK + b"a\x02er"], MARK) == Tails(b"", b"a\x02er")


def test_only_the_last_of_each_stream_is_kept() -> None:
    log = b"x" * TAIL_BYTES + b"out\n" + MARK + b"y" * TAIL_BYTES + b"err\n"

    tails = split_log([log], MARK)

    assert len(tails.stdout) == len(tails.stderr) == TAIL_BYTES
    assert (tails.stdout[-4:], tails.stderr[-4:]) == (b"out\n", b"err\n")


class Pod:
    """An executor that prints."""

    def __init__(self) -> None:
        self.api = FakeKubernetesApi()
        self.cluster = FakeCluster(self.api)
        body: JsonObject = {
            "metadata": {"name": "j"},
            "spec": {"template": {"spec": {"containers": [{"name": "main"}]}}},
        }
        self.api.create(JOBS, "tasks", body)
        self.object = self.cluster.start(self.cluster.pod_of("j"))
        self.name = self.object["metadata"]["name"]
        self.log = PodLog(
            self.api,
            namespace="tasks",
            pod=self.name,
            container="main",
            mark=MARK,
            log_fields={},
        )

    def add_log(self, text: bytes) -> None:
        self.api.add_log("tasks", self.name, text)

    def wait_for(self, stdout: bytes) -> None:
        eventually(lambda: self.log.current().stdout == stdout, what="the follower")

    def end(self) -> None:
        self.cluster.finish(self.object)


def test_a_short_one_is_read_when_it_has_ended() -> None:
    pod = Pod()
    pod.add_log(b"one\n" + MARK + b"two\n")
    pod.end()

    assert pod.log.final(SOON) == Tails(b"one\n", b"two\n")
    assert pod.api.faults.calls["logs", "pods"] == 1


def test_a_long_one_is_followed_and_not_read_again() -> None:
    pod = Pod()
    pod.add_log(b"one\n")
    pod.log.follow(SOON)
    pod.wait_for(b"one\n")
    pod.add_log(b"two\n")
    pod.wait_for(b"one\ntwo\n")
    pod.add_log(b"three\n")
    pod.end()

    assert pod.log.final(SOON).stdout == b"one\ntwo\nthree\n"
    assert pod.api.faults.calls["logs", "pods"] == 1


def test_followed_output_outlives_its_pod() -> None:
    pod = Pod()
    pod.log.follow(SOON)
    pod.add_log(b"one\n")
    pod.wait_for(b"one\n")
    pod.api.vanish(PODS, "tasks", pod.name)

    assert pod.log.final(SOON).stdout == b"one\n"


def test_a_log_that_is_gone_is_not_an_empty_one() -> None:
    pod = Pod()
    pod.add_log(b"one\n")
    pod.api.vanish(PODS, "tasks", pod.name)

    assert pod.log.final(SOON) == Tails(b"", b"", f'pods "{pod.name}" not found')


COMPLAINTS = (
    b"unable to retrieve container logs for containerd://" + b"0123456789abcdef" * 4,
    (
        b"failed to try resolving symlinks in path "
        b'"/var/log/pods/tasks_j_u/main/0.log": lstat /var/log: no such file or directory\n'
    ),
)


@pytest.mark.parametrize("complaint", COMPLAINTS)
def test_a_kubelets_error_message_is_not_taken_for_output(complaint: bytes) -> None:
    pod = Pod()
    pod.add_log(complaint)
    pod.end()

    assert pod.log.final(SOON) == Tails(b"", b"", complaint.decode().strip())


def test_a_cut_stream_is_followed_anew() -> None:
    pod = Pod()
    pod.log.follow(SOON)
    pod.add_log(b"one\n")
    pod.wait_for(b"one\n")
    pod.api.down()
    pod.api.up()
    pod.add_log(b"two\n")

    pod.wait_for(b"one\ntwo\n")
    pod.log.close()


def test_more_lines_than_are_read_at_first_are_read_where_they_count() -> None:
    pod = Pod()
    pod.add_log(MARK + b"first\n" + b"x\n" * 5000)
    pod.end()

    assert pod.log.final(SOON) == Tails(b"x\n" * 5000, b"first\n")


def test_a_log_that_cannot_be_read_now_is_read_later() -> None:
    pod = Pod()
    pod.add_log(b"one\n")
    pod.end()
    pod.api.fail_next("logs", PODS, ApiUnavailableError("away"))

    with pytest.raises(ApiUnavailableError, match="away"):
        pod.log.final(SOON)
    assert pod.log.final(SOON).stdout == b"one\n"


def test_closing_ends_the_follower() -> None:
    pod = Pod()
    pod.log.follow(SOON)
    pod.log.close()

    name = f"log-{pod.name}"
    eventually(
        lambda: all(thread.name != name for thread in threading.enumerate()),
        what="the end of the follower",
    )
