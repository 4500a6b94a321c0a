"""The streams of an executor, split from the one log of its pod."""

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest

from fakes.kubernetes_api import FakeKubernetesApi
from fakes.kubernetes_cluster import FakeCluster
from fakes.kubernetes_faults import no_right
from fakes.scheduler_environment import FrozenClock
from programs.waiting import eventually
from tesk_kubernetes.api import (
    JOBS,
    PODS,
    ApiUnavailableError,
    JsonObject,
    RefusedError,
)
from tesk_taskmaster.adapters.kubernetes.control.logs import LogSource, PodLog
from tesk_taskmaster.domain.tails import TAIL_BYTES
from tesk_taskmaster.domain.termination import LoggedBytes
from tesk_taskmaster.ports import Clock, Tails

MARK = b"\x02err\x02"
SOON = timedelta(seconds=30)


class SteppingClock(FrozenClock):
    """A clock that moves 4 s whenever it is looked at; then something happens."""

    def __init__(self, happen: Callable[[], None] = lambda: None) -> None:
        super().__init__()
        self._happen = happen

    def monotonic(self) -> float:
        self.advance(timedelta(seconds=4))
        self._happen()
        return super().monotonic()


class Pod:
    """An executor that prints."""

    def __init__(self, clock: Clock | None = None, *, has_pieces: bool = True) -> None:
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
            LogSource(
                namespace="tasks",
                pod=self.name,
                container="main",
                has_pieces=has_pieces,
            ),
            log_fields={},
            clock=clock or FrozenClock(),
            refusal_timeout=timedelta(minutes=1),
        )

    def add_log(self, text: bytes) -> None:
        self.api.add_log("tasks", self.name, text)

    def add_log_late(self, text: bytes, *, after_reads: int) -> None:
        self.api.add_log_late("tasks", self.name, text, after_reads=after_reads)

    @property
    def reads(self) -> int:
        return self.api.faults.calls["logs", "pods"]

    def wait_for(self, stdout: bytes) -> None:
        eventually(lambda: self.log.current().stdout == stdout, what="the follower")

    def end(self) -> None:
        self.cluster.finish(self.object)


def test_a_short_one_is_read_when_it_has_ended() -> None:
    pod = Pod()
    pod.add_log(b"one\n" + MARK + b"two\n")
    pod.end()

    assert pod.log.final(SOON) == Tails(b"one\n", b"two\n")
    assert pod.reads == 1


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
    assert pod.reads == 1


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


def test_an_api_server_that_knows_no_rights_yet_is_asked_again() -> None:
    clock = FrozenClock()
    pod = Pod(clock)
    pod.add_log(b"one\n")
    pod.end()
    pod.api.fail_next("logs", PODS, no_right("get", PODS), times=2)

    with pytest.raises(ApiUnavailableError):
        pod.log.final(SOON)
    clock.advance(timedelta(minutes=1))
    assert "cannot get" in pod.log.final(SOON).unread
    assert pod.log.final(SOON).stdout == b"one\n"


def test_an_api_server_that_starts_again_and_again_is_asked_again() -> None:
    clock = FrozenClock()
    pod = Pod(clock)
    pod.add_log(b"one\n")
    pod.end()
    for error in (no_right("get", PODS), ApiUnavailableError("away")) * 2:
        pod.api.fail_next("logs", PODS, error)
        with pytest.raises(ApiUnavailableError):
            pod.log.final(SOON)
        clock.advance(timedelta(minutes=1))

    assert pod.log.final(SOON).stdout == b"one\n"


def test_what_is_followed_goes_on_when_an_api_server_knows_the_rights() -> None:
    pod = Pod()
    pod.api.fail_next("logs", PODS, no_right("get", PODS))
    pod.log.follow()
    pod.add_log(b"one\n")

    pod.wait_for(b"one\n")
    pod.end()


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


GONE = (
    b"rpc error: code = NotFound desc = an error occurred when try to find container "
    b'"' + b"0123456789abcdef" * 4 + b'": not found'
)


BEFORE = {
    "a line": (b"one\n", b"one\n", b""),
    "no line end": (b"no line end", b"no line end", b""),
    "a line of stderr": (MARK + b"two\n", b"", b"two\n"),
    "nothing": (b"", b"", b""),
}


@pytest.mark.parametrize(("printed", "out", "err"), BEFORE.values(), ids=BEFORE)
def test_a_kubelets_error_message_after_output_is_not_part_of_it(
    printed: bytes, out: bytes, err: bytes
) -> None:
    pod = Pod()
    pod.log.follow(SOON)
    pod.add_log(printed + GONE)
    pod.end()
    pod.api.vanish(PODS, "tasks", pod.name)

    tails = pod.log.final(SOON)

    assert (tails.stdout, tails.stderr) == (out, err)
    assert "not found" in tails.unread


def test_a_command_may_print_such_a_line() -> None:
    pod = Pod()
    pod.add_log(b"one\n" + GONE + b"\n")
    pod.end()

    assert pod.log.final(SOON).stdout == b"one\n" + GONE + b"\n"


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


def test_a_stream_that_comes_late_into_the_log_is_waited_for() -> None:
    pod = Pod()
    pod.add_log(b"one\n")
    pod.add_log_late(MARK + b"two\n", after_reads=2)
    pod.end()

    assert pod.log.final(SOON, LoggedBytes(4, 4)) == Tails(b"one\n", b"two\n")
    assert pod.reads == 3


def test_a_followed_log_that_ended_before_all_was_there_is_read_again() -> None:
    pod = Pod()
    pod.log.follow(SOON)
    pod.add_log(b"one\n")
    pod.wait_for(b"one\n")
    pod.add_log_late(MARK + b"two\n", after_reads=0)
    pod.end()

    assert pod.log.final(SOON, LoggedBytes(4, 4)) == Tails(b"one\n", b"two\n")


LONG = {
    "few lines": b"x" * TAIL_BYTES + b"\n",
    "more lines than are read at first": (b"x" * 99 + b"\n") * 5000,
}


@pytest.mark.parametrize("text", LONG.values(), ids=LONG)
def test_the_end_of_a_stream_longer_than_its_tail_is_waited_for(text: bytes) -> None:
    pod = Pod()
    pod.add_log(text)
    pod.add_log_late(b"the end\n", after_reads=2)
    pod.end()

    tails = pod.log.final(SOON, LoggedBytes(len(text) + 8, 0))

    assert tails.stdout.endswith(b"x\nthe end\n")


def test_what_a_log_still_lacks_after_a_while_is_told() -> None:
    pod = Pod(SteppingClock())
    pod.add_log(b"one\n" + MARK + b"tw")
    pod.end()

    tails = pod.log.final(SOON, LoggedBytes(4, 12890))

    lack = "the log of its pod has 2 of 12890 bytes of stderr"
    assert tails == Tails(b"one\n", b"tw", lack)
    assert 2 < pod.reads < 7


def test_no_log_of_a_program_that_printed_is_not_an_empty_one() -> None:
    pod = Pod(SteppingClock())
    pod.end()

    tails = pod.log.final(SOON, LoggedBytes(4, 8))

    lack = "the log of its pod has 0 of 4 bytes of stdout and 0 of 8 bytes of stderr"
    assert tails == Tails(b"", b"", lack)


COMPLETE = {
    "a program that printed nothing": (b"", LoggedBytes(0, 0), 0),
    "more than was counted": (b"a\nb\n", LoggedBytes(2, 0), 1),
    "a launcher that does not count": (b"a\n", None, 1),
    "a long log whose beginning the kubelet has rotated away": (
        *((b"x" * 99 + b"\n") * 5000, LoggedBytes(10**9, 0)),
        2,
    ),
}


@pytest.mark.parametrize(("text", "logged", "want"), COMPLETE.values(), ids=COMPLETE)
def test_a_log_that_has_all_is_not_read_again(
    text: bytes, logged: LoggedBytes | None, want: int
) -> None:
    pod = Pod()
    pod.add_log(text)
    pod.end()

    tails = pod.log.final(SOON, logged)

    assert (tails.unread, pod.reads) == ("", want)


MIXED = b"out" + MARK + b"err\nout\nerr\n"


def test_streams_that_were_mixed_on_the_way_are_told_and_not_read_again() -> None:
    pod = Pod()
    pod.add_log(MIXED)
    pod.end()

    tails = pod.log.final(SOON, LoggedBytes(11, 4))

    lack = "the log of its pod has 0 of 4 bytes of stderr"
    assert (tails.unread, pod.reads) == (lack, 1)


def test_a_launcher_of_the_release_before_moves_bytes_between_streams() -> None:
    pod = Pod(has_pieces=False)
    pod.add_log(MIXED)
    pod.end()

    tails = pod.log.final(SOON, LoggedBytes(11, 4))

    assert tails == Tails(b"outout\nerr\n", b"err\n")
    assert pod.reads == 1


def test_a_log_that_goes_while_more_of_it_is_waited_for_leaves_what_was_read() -> None:
    gone = RefusedError("not found")
    pod = Pod(SteppingClock(lambda: pod.api.fail_next("logs", PODS, gone)))
    pod.add_log(b"one\n")
    pod.end()

    tails = pod.log.final(SOON, LoggedBytes(4, 4))

    lack = "the log of its pod has 0 of 4 bytes of stderr"
    assert (tails, pod.reads) == (Tails(b"one\n", b"", lack), 2)
