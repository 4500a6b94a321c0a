"""A filer of both transfers, which stays between them, as its launcher says."""

import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from fakes.filer_process import FilerRun
from fakes.filer_scheduler import TransferRecord
from programs.waiting import eventually
from servers.http import HttpFiles, http_server
from tesk_model.task import Input, Output


@pytest.fixture
def web() -> Iterator[HttpFiles]:
    with http_server() as server:
        server.files["/in"] = b"hello"
        yield server


@pytest.fixture
def filer(tmp_path: Path, record: TransferRecord, web: HttpFiles) -> FilerRun:
    """Between its transfers nobody writes: the output is the input."""
    record.inputs = (Input(path="/w/a", url=f"{web.url}/in"),)
    record.outputs = (Output(path="/w/a", url=f"{web.url}/out"),)
    return FilerRun(tmp_path, environ={"TESK_TURN": "in"})


def with_variables(filer: FilerRun, variables: Mapping[str, str]) -> FilerRun:
    return FilerRun(filer.folder, environ={**filer.environ, **variables})


class Staying:
    """A filer that stays, and its launcher's end of the socket."""

    def __init__(
        self, process: "subprocess.Popen[str]", channel: socket.socket
    ) -> None:
        self.process = process
        self.channel = channel

    def end(self) -> tuple[int, str]:
        _, log = self.process.communicate(timeout=60)
        return self.process.returncode, log


@contextmanager
def staying(filer: FilerRun, record: TransferRecord) -> Iterator[Staying]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.settimeout(60)
    with closing(ours), closing(theirs):
        run = with_variables(filer, {"TESK_TURN_CHANNEL": str(theirs.fileno())})
        process = run.start(record, "both", inherited=(theirs.fileno(),))
        theirs.close()
        with process:
            yield Staying(process, ours)


def test_inputs_and_outputs_move_in_one_process(
    record: TransferRecord, filer: FilerRun, web: HttpFiles
) -> None:
    with staying(filer, record) as started:
        assert started.channel.recv(1)
        assert (filer.volume / "w/a").read_bytes() == b"hello"
        assert "/out" not in web.files
        started.channel.send(b"passed")
        code, log = started.end()

    assert code == 0, log
    assert web.files["/out"] == b"hello"
    assert [result.error for result in record.results] == ["", ""]


def test_it_has_no_connection_while_it_waits(
    record: TransferRecord, filer: FilerRun
) -> None:
    with staying(filer, record) as started:
        assert started.channel.recv(1)
        eventually(lambda: not connections(started.process.pid), what="no connection")
        started.channel.close()
        assert started.end()[0] == 0


def connections(pid: int) -> set[str]:
    """Return the sockets of the network that a process has."""
    names = {str(each.readlink()) for each in Path(f"/proc/{pid}/fd").iterdir()}
    opened = {
        line.split()[9]
        for table in ("tcp", "tcp6")
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]
    }
    return {name for name in names if name.removeprefix("socket:[")[:-1] in opened}


def test_after_a_failed_executor_outputs_are_uploaded_once(
    record: TransferRecord, filer: FilerRun, web: HttpFiles
) -> None:
    record.outputs = (Output(path="/w/a", url=f"http://127.0.0.1:1/{web.url[-1]}"),)
    tries = {"TESK_FILER_UPLOAD_TRIES": "3", "TESK_FILER_UPLOAD_BACKOFF": "0.01"}
    with staying(
        with_variables(filer, {**tries, "TESK_FILER_TRIES": "1"}), record
    ) as started:
        assert started.channel.recv(1)
        started.channel.send(b"failed")
        code, log = started.end()

    assert code != 0, log
    assert len(record.results) == 2


def test_nothing_is_uploaded_when_the_launcher_ends(
    record: TransferRecord, filer: FilerRun, web: HttpFiles
) -> None:
    with staying(filer, record) as started:
        assert started.channel.recv(1)
        started.channel.close()
        code, _ = started.end()

    assert code == 0
    assert "/out" not in web.files


def test_inputs_that_do_not_arrive_end_it(
    record: TransferRecord, filer: FilerRun, web: HttpFiles
) -> None:
    record.inputs = (Input(path="/w/a", url=f"{web.url}/missing"),)
    with staying(filer, record) as started:
        code, _ = started.end()

    assert code == 65


@pytest.mark.parametrize(("step", "moved"), [("in", "inputs"), ("out", "outputs")])
def test_without_a_launcher_that_waits_it_ends_after_one(
    record: TransferRecord, filer: FilerRun, web: HttpFiles, step: str, moved: str
) -> None:
    (filer.volume / "w").mkdir()
    (filer.volume / "w/a").write_bytes(b"result")
    code, log = with_variables(filer, {"TESK_TURN": step}).run(record, "both")

    assert code == 0, log
    assert len(record.results) == 1
    assert ("/out" in web.files) == (moved == "outputs")
