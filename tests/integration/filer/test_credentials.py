"""Filer processes use the operator's credentials where, and for whom, they are meant."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.filer_process import FilerRun
from fakes.filer_scheduler import TransferRecord, transfer_server
from servers.ftp import PASSWORD, USER, ftp_server
from servers.http import Fault, HttpFiles, http_server
from tesk_filer.domain.credential_table import TaskOwner
from tesk_model.task import Input

CREDENTIALS = """
credentials:
- prefix: {url}/private
  owners: [ada]
  groups: [lab]
  login:
    user: ada
    passwordFile: password
"""


@pytest.fixture
def record() -> Iterator[TransferRecord]:
    with transfer_server(TransferRecord()) as record:
        record.inputs = (Input(path="/a", url="to be set"),)
        yield record


@pytest.fixture
def web() -> Iterator[HttpFiles]:
    with http_server(user="ada", password="s3cr3t") as server:
        server.files["/private/a"] = server.files["/public/a"] = b"content"
        server.files["/private/big"] = bytes(3_000_000)
        yield server


@pytest.fixture
def mounted(tmp_path: Path, web: HttpFiles) -> Path:
    """Return a folder of credentials for a part of the server."""
    folder = tmp_path / "mounted"
    folder.mkdir()
    (folder / "credentials.yaml").write_text(CREDENTIALS.format(url=web.url))
    (folder / "password").write_text("s3cr3t\n")
    return folder


@pytest.fixture
def filer(tmp_path: Path, mounted: Path) -> FilerRun:
    environ = {"TESK_FILER_CREDENTIALS": str(mounted), "TESK_FILER_PARALLEL": "1"}
    return FilerRun(tmp_path, (tmp_path,), environ=environ)


ADA = TaskOwner(name="ada")
WHOSE: dict[str, tuple[TaskOwner, str, int]] = {
    "the owner's": (ADA, "/private/a", 0),
    "a member's of the group": (
        TaskOwner(name="bob", groups=("all", "lab")),
        "/private/a",
        0,
    ),
    "another's": (TaskOwner(name="bob", groups=("all",)), "/private/a", 65),
    "nobody's": (TaskOwner(), "/private/a", 65),
    "the owner's, elsewhere": (ADA, "/public/a", 65),
}


@pytest.mark.parametrize(("owner", "path", "want"), WHOSE.values(), ids=WHOSE)
def test_credentials_are_used_for_those_that_they_are_meant_for(
    record: TransferRecord,
    filer: FilerRun,
    web: HttpFiles,
    *,
    owner: TaskOwner,
    path: str,
    want: int,
) -> None:
    record.owner, record.groups = owner.name, owner.groups
    record.inputs = (Input(path="/a", url=web.url + path),)

    code, log = filer.run(record, "inputs")

    assert code == want, log
    assert (set(web.authorizations) == {""}) is (want != 0)


def test_credentials_that_rotate_while_a_transfer_runs_are_used(
    record: TransferRecord, filer: FilerRun, web: HttpFiles, mounted: Path
) -> None:
    record.owner = "ada"
    record.inputs = (
        Input(path="/big", url=web.url + "/private/big"),
        Input(path="/a", url=web.url + "/private/a"),
    )
    web.faults["/private/big"] = [Fault(hold_at=2_500_000)] * 3
    # Is asked again after a second, when files of credentials are looked at again.
    web.faults["/private/a"] = [Fault(status=503, retry_after="1")] * 2

    with filer.start(record, "inputs") as process:
        assert web.held.wait(100)
        (mounted / "new").write_text("n3w")
        (mounted / "new").rename(mounted / "password")
        web.password = "n3w"
        web.release.set()
        _, log = process.communicate(timeout=60)

    assert (process.returncode, record.result.error) == (0, ""), log
    assert (filer.volume / "a").read_bytes() == b"content"


def test_the_files_of_credentials_cannot_be_inputs(
    record: TransferRecord, filer: FilerRun, mounted: Path
) -> None:
    record.inputs = (Input(path="/a", url=f"file://{mounted}/password"),)

    code, log = filer.run(record, "inputs")

    assert code == 65, log
    assert "TESK's own settings" in record.result.error


def test_other_hosts_have_what_single_settings_say(
    record: TransferRecord, filer: FilerRun, tmp_path: Path
) -> None:
    (tmp_path / "served").mkdir()
    (tmp_path / "served" / "b").write_text("from the archive")
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine 127.0.0.1 login {USER} password {PASSWORD}\n")
    with ftp_server(tmp_path / "served") as archive:
        record.inputs = (Input(path="/b", url=archive.url + "/b"),)
        known = FilerRun(tmp_path, environ={**filer.environ, "NETRC": str(netrc)})

        code, log = known.run(record, "inputs")

        assert code == 0, log
        assert archive.logins == [USER]


WRONG = {
    "a file of credentials": (
        {},
        "credentials[0].login.passwordFile: the file cannot be read",
    ),
    "no folder": ({"TESK_FILER_CREDENTIALS": "/none"}, "TESK_FILER_CREDENTIALS"),
    "no netrc file": ({"NETRC": "/none", "TESK_FILER_CREDENTIALS": ""}, "NETRC"),
}


@pytest.mark.parametrize(("environ", "want"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_at_the_start_is_an_error_that_may_pass(
    record: TransferRecord,
    filer: FilerRun,
    mounted: Path,
    *,
    environ: dict[str, str],
    want: str,
) -> None:
    (mounted / "password").unlink()
    record.inputs = (Input(path="/a", url="http://127.0.0.1:1/private/a"),)
    once = {"TESK_FILER_TRIES": "1"}
    run = FilerRun(filer.folder, environ={**filer.environ, **once, **environ})

    code, log = run.run(record, "inputs")

    assert code == 75, log
    assert "the filer's credentials cannot be read: " in record.result.error
    assert want in record.result.error


def test_what_is_wrong_at_the_start_may_be_repaired_meanwhile(
    record: TransferRecord, filer: FilerRun, web: HttpFiles, mounted: Path
) -> None:
    record.owner = "ada"
    (mounted / "password").unlink()
    record.inputs = (Input(path="/a", url=web.url + "/private/a"),)
    backoff = {"TESK_FILER_TRIES": "99", "TESK_FILER_BACKOFF": "0.5"}
    patient = FilerRun(filer.folder, environ={**filer.environ, **backoff})

    with patient.start(record, "inputs") as process:
        assert process.stderr is not None
        first = next(line for line in process.stderr if "cannot be read" in line)
        (mounted / "password").write_text("s3cr3t")
        _, log = process.communicate(timeout=60)

    assert process.returncode == 0, first + log + str(record.results)
    assert (filer.volume / "a").read_bytes() == b"content"


def test_transfers_that_need_no_credentials_go_on_without(
    record: TransferRecord, filer: FilerRun, mounted: Path, tmp_path: Path
) -> None:
    (mounted / "password").unlink()
    (tmp_path / "b").write_text("b")
    record.inputs = (
        Input(path="/a", content="a"),
        Input(path="/b", url=f"file://{tmp_path}/b"),
    )

    code, log = filer.run(record, "inputs")

    assert code == 0, log
