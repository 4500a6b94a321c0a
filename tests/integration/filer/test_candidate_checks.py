"""Real filers tell what files were, and another one finds out whether they still are."""

from collections.abc import Callable, Iterator

import pytest

from fakes.filer_process import FilerRun
from fakes.filer_scheduler import TransferRecord
from servers.http import HttpFiles, http_server
from servers.s3 import S3Service, s3_server
from tesk_model.task import FileType, Input, Output

SAME, DIFFERENT, UNKNOWN = 0, 65, 75


@pytest.fixture
def service() -> Iterator[S3Service]:
    with s3_server("work") as service:
        yield service


@pytest.fixture
def site() -> Iterator[HttpFiles]:
    with http_server() as server:
        yield server


@pytest.fixture
def ran(
    record: TransferRecord, filer: FilerRun, service: S3Service, site: HttpFiles
) -> FilerRun:
    """Run the transfers of a task, whose identities become those of a candidate."""
    site.files["/site.txt"] = b"from the web"
    client = service.client()
    for name in ("in/a", "in/b/c"):
        client.put_object(Bucket="work", Key=name, Body=name.encode())
    (filer.volume / "out/d").mkdir(parents=True)
    (filer.volume / "out/d/result").write_text("result")
    record.record_identities = True
    record.inputs = (
        Input(path="/in", url="s3://work/in", type=FileType.DIRECTORY),
        Input(path="/site.txt", url=f"{site.url}/site.txt"),
        Input(path="/text", content="text"),
    )
    record.outputs = (
        Output(path="/out", url="s3://work/out", type=FileType.DIRECTORY),
    )
    filer = FilerRun(filer.folder, environ=service.environ)
    for direction in ("inputs", "outputs"):
        code, log = filer.run(record, direction)
        assert (code, record.result.error) == (0, ""), log
    assert record.identified == [True, True]
    record.candidate = tuple(record.identities.values())
    return filer


def test_identities_are_told_by_kind(ran: FilerRun, record: TransferRecord) -> None:
    del ran
    told = sorted((file.path, file.size_bytes) for file in record.identities.values())
    assert told == [
        ("/in/a", 4),
        ("/in/b/c", 6),
        ("/out/d/result", 6),
        ("/site.txt", 12),
    ]
    assert all(
        file.identity.startswith('etag "') for file in record.identities.values()
    )


def test_what_is_as_it_was_is_the_same(
    ran: FilerRun, record: TransferRecord, site: HttpFiles
) -> None:
    site.requests.clear()

    # It needs no volume, which may not be there yet.
    without = FilerRun(ran.folder, environ={**ran.environ, "TESK_FILER_VOLUME": ""})
    code, log = without.run(record, "check")

    assert (code, record.differences) == (SAME, [""]), log
    assert site.requests == [("HEAD", "/site.txt")]


Change = Callable[[S3Service, HttpFiles], object]
CHANGES: dict[str, tuple[Change, str]] = {
    "an input by http": (
        lambda _, site: site.files.update({"/site.txt": b"changed"}),
        "inputs[1] (/site.txt): http://",
    ),
    "one whose server has no ETags any more": (
        lambda _, site: setattr(site, "has_etags", False),
        "inputs[1] (/site.txt): http://",
    ),
    "a file of a directory, of the same size": (
        lambda s3, _: s3.client().put_object(Bucket="work", Key="in/a", Body=b"XXXX"),
        "inputs[0] (/in/a): s3://work/in/a: is another one now: ",
    ),
    "a new file of a directory": (
        lambda s3, _: s3.client().put_object(Bucket="work", Key="in/n", Body=b""),
        "inputs[0] (/in/n): s3://work/in/n: is new",
    ),
    "an output that is gone": (
        lambda s3, _: s3.client().delete_object(Bucket="work", Key="out/d/result"),
        "outputs (/out/d/result): s3://work/out/d/result: is not there any more",
    ),
}


@pytest.mark.parametrize(("change", "want"), CHANGES.values(), ids=CHANGES)
def test_a_change_is_found(
    ran: FilerRun,
    record: TransferRecord,
    service: S3Service,
    site: HttpFiles,
    change: Change,
    want: str,
) -> None:
    change(service, site)

    code, log = ran.run(record, "check")

    assert code == DIFFERENT, log
    assert record.differences[0].startswith(want)


def test_whoever_may_not_ask_finds_a_difference(
    ran: FilerRun, record: TransferRecord
) -> None:
    other = {**ran.environ, "AWS_SECRET_ACCESS_KEY": "", "AWS_ACCESS_KEY_ID": ""}

    code, log = FilerRun(ran.folder, environ=other).run(record, "check")

    assert code == DIFFERENT, log


def test_a_scheduler_that_restarts_is_waited_for(
    ran: FilerRun, record: TransferRecord
) -> None:
    record.outages = 2

    code, log = ran.run(record, "check")

    assert (code, record.differences) == (SAME, [""]), log


def test_a_candidate_that_is_gone_does_not_count(
    ran: FilerRun, record: TransferRecord
) -> None:
    record.candidate = None

    code, log = ran.run(record, "check")

    assert code == DIFFERENT, log
    assert record.differences == ["its candidate is gone"]


def test_an_attempt_that_is_over_has_no_check(
    ran: FilerRun, record: TransferRecord
) -> None:
    record.is_over = True

    code, log = ran.run(record, "check")

    assert (code, record.differences) == (UNKNOWN, []), log
