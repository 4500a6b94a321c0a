"""The files of a candidate are compared with what they were, and never read."""

import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count

import pytest

from fakes.filer_candidates import MemoryCandidates
from fakes.filer_storage import MemoryStorage
from simulations.transfer import Bench
from tesk_filer.domain.expansion import Expansion, Limits
from tesk_filer.ports import StorageError
from tesk_filer.ports.candidates import Candidate
from tesk_filer.usecases.candidate_check import CandidateCheck
from tesk_filer.usecases.listing import Listing
from tesk_filer.usecases.load_limits import HostLimits
from tesk_filer.usecases.retry import Retry
from tesk_filer.usecases.transfer import ExitCode
from tesk_filer.usecases.transfer_progress import TransferProgress
from tesk_filer.usecases.worker_pool import WorkerPool
from tesk_model.errors import UnavailableError
from tesk_model.identities import FileIdentity
from tesk_model.task import FileType, Input, Output

INPUTS = (
    Input(path="/d", url="s3://b/d", type=FileType.DIRECTORY),
    Input(path="/one", url="s3://b/one"),
    Input(path="/text", content="text"),
)


@dataclass
class CheckBench:
    """A check of what a whole task did before."""

    storage: MemoryStorage
    files: list[FileIdentity]
    inputs: tuple[Input, ...] = INPUTS
    halt: threading.Event = field(default_factory=threading.Event)
    seconds: float = 0.0
    log: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.record = MemoryCandidates(None)
        self.clock = count(0.0, self.seconds)

    def run(self, *, is_gone: bool = False) -> ExitCode:
        candidate = Candidate(inputs=self.inputs, files=self.files)
        self.record.given = None if is_gone else candidate
        self.clock = count(0.0, self.seconds)
        retry = Retry(tries=2, backoff=timedelta(), longest=timedelta(), halt=self.halt)
        progress = TransferProgress(
            "check", self.halt, clock=lambda: next(self.clock), largest=1
        )
        with closing(WorkerPool(3, self.halt, stops_at_failure=True)) as workers:
            return CandidateCheck(
                record=self.record,
                storages=self.storage,
                workers=workers,
                listing=Listing(retry=retry, observed=progress.of_listing),
                limits=HostLimits(3, self.halt, now=lambda: 0.0),
                expansion=Expansion(Limits(files=100)),
                limit=timedelta(minutes=10),
                monotonic=lambda: next(self.clock),
                redact=lambda text: text.replace("secret", "…"),
                warn=self.log.append,
            ).run()

    @property
    def difference(self) -> str:
        return self.record.differences[-1]


@pytest.fixture
def check(bench: Bench) -> CheckBench:
    """Run a task, so that its identities are recorded."""
    bench.transfers.wanted = 10_000
    bench.storage.files = {"s3://b/d/x": b"xx", "s3://b/d/y": b"y", "s3://b/one": b"1"}
    bench.storage.directories = {"s3://b/d/empty"}
    bench.bring(*INPUTS)
    (bench.folder / "out").write_text("result")
    bench.take(Output(path="/out", url="s3://b/out"))
    bench.storage.calls.clear()
    return CheckBench(bench.storage, bench.transfers.identities)


def test_what_is_as_it_was_is_the_same(check: CheckBench) -> None:
    assert check.run() is ExitCode.OK
    assert check.record.differences == [""]


def test_nothing_is_read_or_written(check: CheckBench) -> None:
    check.run()

    assert {call for call, _ in check.storage.calls} == {"stat", "list"}
    # A listing, of two pages, says what its files are; others are asked for once.
    assert len(check.storage.calls) == 4


def remove(url: str) -> Callable[[CheckBench], object]:
    return lambda check: check.storage.files.pop(url)


def put(url: str, content: bytes) -> Callable[[CheckBench], object]:
    return lambda check: check.storage.files.update({url: content})


def fail(url: str, message: str) -> Callable[[CheckBench], object]:
    return lambda check: check.storage.faults.update({url: [StorageError(message)]})


DIFFERENCES: dict[str, tuple[Callable[[CheckBench], object], str]] = {
    "an input that changed": (
        put("s3://b/one", b"11"),
        "inputs[1] (/one): s3://b/one: is another one now: 2 bytes, etag",
    ),
    "an input that is gone": (
        remove("s3://b/one"),
        "inputs[1] (/one): s3://b/one: is not there any more",
    ),
    "a file of a directory that changed": (
        put("s3://b/d/y", b"z"),
        "inputs[0] (/d/y): s3://b/d/y: is another one now: 1 bytes, etag",
    ),
    "a file of a directory that is gone": (
        remove("s3://b/d/y"),
        "inputs (/d/y): s3://b/d/y: is not there any more",
    ),
    "a new file of a directory": (
        put("s3://b/d/z", b"z"),
        "inputs[0] (/d/z): s3://b/d/z: is new: it was not there before",
    ),
    "a new empty directory": (
        lambda check: check.storage.directories.add("s3://b/d/new"),
        "inputs[0] (/d/new): s3://b/d/new: is new: it was not there before",
    ),
    "an empty directory that is gone": (
        lambda check: check.storage.directories.clear(),
        "inputs (/d/empty): s3://b/d/empty: is not there any more",
    ),
    "an output that changed": (
        put("s3://b/out", b"other"),
        "outputs (/out): s3://b/out: is another one now: 5 bytes, etag",
    ),
    "an output that is gone": (
        remove("s3://b/out"),
        "outputs (/out): s3://b/out: is not there any more",
    ),
    "an output that became a directory": (
        lambda check: check.storage.files.update(
            {"s3://b/out/x": check.storage.files.pop("s3://b/out")}
        ),
        "outputs (/out): s3://b/out: is not there any more",
    ),
    "an output that must not be seen": (
        fail("s3://b/out", "access denied (403), secret"),
        "outputs (/out): s3://b/out: access denied (403), …",
    ),
    "a directory that cannot be listed": (
        fail("s3://b/d", "access denied (403)"),
        "inputs[0] (/d): s3://b/d: access denied (403)",
    ),
}


@pytest.mark.parametrize(("happens", "want"), DIFFERENCES.values(), ids=DIFFERENCES)
def test_a_difference_is_told(
    check: CheckBench, happens: Callable[[CheckBench], object], want: str
) -> None:
    happens(check)

    assert check.run() is ExitCode.FAILED
    assert check.difference.startswith(want)


def test_other_files_beside_outputs_do_not_matter(check: CheckBench) -> None:
    check.storage.files["s3://b/other"] = b"x"

    assert check.run() is ExitCode.OK


def test_an_error_that_passes_is_no_difference(check: CheckBench) -> None:
    check.storage.faults["s3://b/out"] = [StorageError("busy", transient=True)]

    assert check.run() is ExitCode.OK


def test_an_input_that_the_candidate_did_not_have_is_a_difference(
    check: CheckBench,
) -> None:
    check.storage.files["s3://b/more"] = b"x"
    check.inputs = (*INPUTS, Input(path="/more", url="s3://b/more"))

    assert check.run() is ExitCode.FAILED
    assert "/more" in check.difference


def test_one_file_at_two_paths_is_two(check: CheckBench) -> None:
    check.inputs = (*INPUTS[:1], Input(path="/two", url="s3://b/one"))

    assert check.run() is ExitCode.FAILED


def test_what_has_no_identity_is_not_the_same(check: CheckBench) -> None:
    check.storage.files["ftp://h/x"] = b"x"
    check.inputs = (Input(path="/x", url="ftp://h/x"),)
    check.files = [
        FileIdentity(
            direction="inputs", url="ftp://h/x", path="/x", size_bytes=1, identity=""
        )
    ]

    assert check.run() is ExitCode.FAILED
    assert check.difference.endswith("has nothing by which its content is known again")


def test_a_candidate_that_is_gone_does_not_count(check: CheckBench) -> None:
    assert check.run(is_gone=True) is ExitCode.FAILED
    assert check.difference == "its candidate is gone"


def test_a_check_ends_in_time(check: CheckBench) -> None:
    check.seconds = 700.0

    assert check.run() is ExitCode.FAILED
    assert check.difference.endswith(
        "the check of all files took longer than 10 minutes"
    )


def test_a_directory_without_end_is_a_difference(check: CheckBench) -> None:
    check.storage.files |= {f"s3://b/d/{number:03}": b"" for number in range(200)}
    check.files += [
        FileIdentity(
            direction="inputs",
            url=f"s3://b/d/{number:03}",
            path=f"/d/{number:03}",
            size_bytes=0,
            identity=f"etag {hash(b'')}",
        )
        for number in range(200)
    ]

    assert check.run() is ExitCode.FAILED
    assert "is more than 100 files" in check.difference


def test_what_is_told_is_bounded(check: CheckBench) -> None:
    check.inputs = (Input(path="/" + "ü" * 3000, url="s3://b/none"),)

    check.run()

    assert 900 < len(check.difference.encode()) <= 1000


def test_a_check_that_is_stopped_has_no_result(check: CheckBench) -> None:
    check.halt.set()

    assert check.run() is ExitCode.STOPPED
    assert check.record.differences == []


def test_a_result_that_cannot_be_told_is_none(check: CheckBench) -> None:
    check.record.error = UnavailableError("restarting")

    assert check.run() is ExitCode.TEMPORARY_FAILURE
    assert check.log == ["the check is not recorded: restarting"]
