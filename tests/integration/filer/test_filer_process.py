"""Real filer processes between a real gRPC server and real storages."""

import hashlib
import os
import signal

import pytest

from fakes.filer_process import FilerRun
from fakes.filer_scheduler import ATTEMPT, TOKEN, TransferRecord
from servers.ftp import ftp_server
from servers.http import Fault, HttpFiles, http_server
from servers.s3 import ACCESS_KEY, SECRET_KEY, s3_server
from tesk_filer.adapters.temporary_names import temporary_name, transfer_tag
from tesk_model.task import FileType, Input, Output

NAMES = ["a b.txt", "100%.gz", "d/é+#?.txt"]


def round_trip(record: TransferRecord, filer: FilerRun, base: str) -> None:
    """Send a directory to ``base`` and bring it back in a second transfer."""
    for name in NAMES:
        file = filer.volume / "out" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(name.encode() * 1000)
    record.outputs = (
        Output(path="/out", url=f"{base}/sent", type=FileType.DIRECTORY),
        Output(path="/out/*.gz", url=f"{base}/globbed", path_prefix="/out"),
    )
    record.inputs = (
        Input(path="/back", url=f"{base}/sent/", type=FileType.DIRECTORY),
        Input(path="/one", url=f"{base}/globbed/100%25.gz"),
    )
    if base.startswith("s3"):
        record.inputs = (
            record.inputs[0],
            Input(path="/one", url=f"{base}/globbed/100%.gz"),
        )

    code, log = filer.run(record, "outputs")
    assert (code, record.result.error) == (0, ""), log
    assert record.result.files == len(record.uploaded) == 4

    code, log = filer.run(record, "inputs")
    assert (code, record.result.error) == (0, ""), log
    for name in NAMES:
        assert (filer.volume / "back" / name).read_bytes() == name.encode() * 1000
    assert (filer.volume / "one").read_bytes() == b"100%.gz" * 1000
    assert not list(filer.folder.rglob("*.part"))


def test_files_go_there_and_back_by_file(
    record: TransferRecord, filer: FilerRun
) -> None:
    round_trip(record, filer, f"file://{filer.folder}/root")


def test_files_go_there_and_back_by_ftp(
    record: TransferRecord, filer: FilerRun
) -> None:
    (filer.folder / "served").mkdir()
    with ftp_server(filer.folder / "served") as server:
        round_trip(record, filer, server.url_with_password)


@pytest.mark.parametrize("sdk", ["false", "true"], ids=["by TESK", "by smart_open"])
def test_files_go_there_and_back_by_s3(
    record: TransferRecord, filer: FilerRun, sdk: str
) -> None:
    with s3_server("transfers") as service:
        environ = service.environ | {"TESK_FILER_S3_SDK": sdk}
        round_trip(
            record, FilerRun(filer.folder, environ=environ), f"s3://transfers/{sdk}"
        )


def test_files_go_there_and_back_by_http(
    record: TransferRecord, filer: FilerRun, web: HttpFiles
) -> None:
    (filer.volume / "out").mkdir()
    (filer.volume / "out/a b.txt").write_bytes(b"content")
    url = web.url_with_password + "/x/a%20b.txt"
    record.outputs = (Output(path="/out/a b.txt", url=url),)
    record.inputs = (Input(path="/back", url=url),)

    assert filer.run(record, "outputs")[0] == 0
    assert filer.run(record, "inputs")[0] == 0

    assert (filer.volume / "back").read_bytes() == b"content"
    [(logged_url, path)] = record.uploaded
    assert (logged_url, path) == (web.url + "/x/a%20b.txt", "/out/a b.txt")


def test_a_transfer_that_cannot_be_traced_has_its_result(
    record: TransferRecord, filer: FilerRun
) -> None:
    absent = filer.folder / "path/opentelemetry/__init__.py"
    absent.parent.mkdir(parents=True)
    absent.write_text("raise ImportError")
    (filer.folder / "root/file").write_bytes(b"content")
    record.inputs = (Input(path="/in", url=f"{filer.folder}/root/file"),)
    without_packages = {
        "TESK_TRACING_ENDPOINT": "http://127.0.0.1:9/v1/traces",
        "PYTHONPATH": f"{filer.folder}/path",
    }

    run = FilerRun(filer.folder, (filer.folder / "root",), environ=without_packages)
    code, log = run.run(record, "inputs")

    assert (code, record.result.files) == (0, 1), log
    assert "transfer not traced" in log


LIBRARIES = {
    "content": (),
    "file": (),
    "http": ("httptools",),
    "ftp": ("ftplib",),
    "s3": ("httptools",),
}
IDLE = ("botocore", "charset_normalizer.api", "grpc.aio._call")


@pytest.mark.parametrize("scheme", LIBRARIES)
def test_a_transfer_loads_the_libraries_of_its_scheme_alone(
    record: TransferRecord, filer: FilerRun, scheme: str
) -> None:
    urls = {"file": f"file://{filer.folder}/root/none", "s3": "s3://none/none"}
    url = urls.get(scheme, f"{scheme}://127.0.0.1:1/none")
    record.inputs = (
        Input(path="/a", content="x")
        if scheme == "content"
        else Input(path="/a", url=url),
    )
    environ = {"PYTHONPROFILEIMPORTTIME": "1", "TESK_FILER_TRIES": "1"}
    environ |= {"TESK_FILER_S3_ENDPOINT": "http://127.0.0.1:1"}
    environ |= {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY}

    _, log = FilerRun(filer.folder, filer.roots, environ).run(record, "inputs")

    loaded = {line.rpartition("|")[2].strip() for line in log.splitlines()}
    every = {library for each in LIBRARIES.values() for library in each}
    assert "tesk_filer.main" in loaded
    assert not set(IDLE) & loaded
    assert loaded & every == set(LIBRARIES[scheme])


def test_digests_of_inputs_are_reported_where_they_are_wanted(
    record: TransferRecord, filer: FilerRun
) -> None:
    record.inputs = (Input(path="/a", content="x"),)
    wanted = FilerRun(filer.folder, environ={"TESK_FILER_SHA256": "true"})

    assert wanted.run(record, "inputs")[0] == 0
    digest = hashlib.sha256(b"x").hexdigest()
    assert record.result.sha256 == f"{digest}  /a\n"


def test_programs_are_plain_files_where_modes_are_not_kept(
    record: TransferRecord, filer: FilerRun
) -> None:
    tool = filer.folder / "root/tool"
    tool.write_text("#!/bin/sh\n")
    tool.chmod(0o755)
    record.inputs = (Input(path="/tool", url=str(tool)),)
    record.outputs = (Output(path="/tool", url=f"{filer.folder}/root/back"),)
    plain = FilerRun(
        filer.folder, filer.roots, environ={"TESK_FILER_KEEP_MODES": "false"}
    )

    assert plain.run(record, "inputs")[0] == 0
    (filer.volume / "tool").chmod(0o755)
    assert plain.run(record, "outputs")[0] == 0

    assert (filer.folder / "root/back").stat().st_mode & 0o111 == 0


def test_programs_stay_programs(record: TransferRecord, filer: FilerRun) -> None:
    tool = filer.folder / "root/tool"
    tool.write_text("#!/bin/sh\n")
    tool.chmod(0o755)
    record.inputs = (Input(path="/bin/tool", url=str(tool)),)

    assert filer.run(record, "inputs")[0] == 0
    assert os.access(filer.volume / "bin/tool", os.X_OK)


def test_secrets_appear_nowhere(
    record: TransferRecord, filer: FilerRun, web: HttpFiles
) -> None:
    url = web.url.replace("://", "://ada:wr0ng-pass@") + "/a?sig=s1gnature"
    record.inputs = (Input(path="/a", url=url),)

    code, log = filer.run(record, "inputs")

    assert code == 65
    assert record.result.error == (
        f"inputs[0] (/a): {web.url}/a?…: access denied (HTTP 401); give user and "
        "password in the url"
    )
    for secret in ("wr0ng-pass", "s1gnature", TOKEN):
        assert secret not in log + record.result.error


def test_a_busy_server_is_asked_again(
    record: TransferRecord, filer: FilerRun, web: HttpFiles
) -> None:
    web.files["/a"] = bytes(range(256)) * 1000
    web.faults["/a"] = [Fault(status=503, retry_after="0"), Fault(cut_at=1000)]
    record.inputs = (Input(path="/a", url=web.url_with_password + "/a"),)

    code, log = filer.run(record, "inputs")

    assert code == 0, log
    assert (filer.volume / "a").read_bytes() == web.files["/a"]
    assert record.result.bytes == len(web.files["/a"])


def test_a_server_that_stays_busy_ends_with_75(
    record: TransferRecord, filer: FilerRun, web: HttpFiles
) -> None:
    web.faults["/a"] = [Fault(status=503)] * 5
    record.inputs = (Input(path="/a", url=web.url_with_password + "/a"),)

    code, _ = filer.run(record, "inputs")

    assert code == 75
    assert len(web.requests) == 5


def test_a_file_on_tape_is_retried(
    record: TransferRecord, filer: FilerRun, web: HttpFiles
) -> None:
    web.files["/a"] = b"from tape"
    waits = Fault(status=202, retry_after="0", body=b"<p>staging</p>")
    web.faults["/a"] = [waits, waits]
    record.inputs = (Input(path="/a", url=web.url_with_password + "/a"),)

    assert filer.run(record, "inputs")[0] == 0
    assert (filer.volume / "a").read_bytes() == b"from tape"


def test_a_proxy_that_is_away_is_named_and_keeps_nobody_from_the_scheduler(
    record: TransferRecord, filer: FilerRun
) -> None:
    record.inputs = (Input(path="/a", url="http://files.invalid/a"),)
    proxied = FilerRun(filer.folder, environ={"http_proxy": "http://127.0.0.1:1"})

    assert proxied.run(record, "inputs")[0] == 75
    assert "connection refused by the proxy (HTTP_PROXY" in record.result.error


def test_a_proxy_resolves_names_and_gets_no_address_that_is_refused(
    record: TransferRecord, filer: FilerRun
) -> None:
    with http_server() as proxy:
        proxy.files["/a"] = b"by proxy"
        proxied = FilerRun(
            filer.folder,
            environ={"http_proxy": proxy.url, "TESK_FILER_LOOPBACK": "refuse"},
        )
        record.inputs = (Input(path="/a", url="http://files.invalid/a"),)
        assert proxied.run(record, "inputs")[0] == 0
        record.inputs = (Input(path="/b", url="http://169.254.169.254/a"),)
        assert proxied.run(record, "inputs")[0] == 65

    assert (filer.volume / "a").read_bytes() == b"by proxy"
    assert "a metadata service, which is always refused" in record.result.error
    assert [path for _, path in proxy.requests] == ["/a"]


@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM"])
def test_a_filer_that_dies_on_the_way_is_simply_started_again(
    record: TransferRecord, filer: FilerRun, web: HttpFiles, name: str
) -> None:
    content = os.urandom(3_000_000)
    web.files["/a"] = content
    web.faults["/a"] = [Fault(hold_at=2_000_000)]
    record.inputs = (
        Input(path="/in/a", url=web.url_with_password + "/a"),
        Input(path="/in/b", content="b"),
    )

    with filer.start(record, "inputs") as process:
        assert web.held.wait(100)
        process.send_signal(getattr(signal, name))
        # Not before it has gone: it might have all bytes before it hears the signal.
        process.communicate(timeout=100)
        web.release.set()

    assert process.returncode == (-9 if name == "SIGKILL" else 143)
    assert record.results == []
    assert not (filer.volume / "in/a").exists()
    assert filer.run(record, "inputs")[0] == 0
    assert (filer.volume / "in/a").read_bytes() == content
    assert sorted(os.listdir(filer.volume / "in")) == ["a", "b"]  # noqa: PTH208 - names
    # One result, and so one line for people, of all that was moved.
    assert [(each.files, each.bytes) for each in record.results] == [(2, 3_000_001)]


def test_an_upload_that_was_killed_leaves_no_half_file(
    record: TransferRecord, filer: FilerRun
) -> None:
    (filer.volume / "a").write_text("whole")
    tag = f"{transfer_tag(ATTEMPT.name, TOKEN)}-0"
    stale = filer.folder / "root" / temporary_name("a", tag)
    stale.write_text("what a killed filer left, and longer than the file")
    record.outputs = (Output(path="/a", url=f"{filer.folder}/root/a"),)

    assert filer.run(record, "outputs")[0] == 0
    assert [path.name for path in (filer.folder / "root").iterdir()] == ["a"]
    assert (filer.folder / "root/a").read_text() == "whole"


def test_progress_is_reported_on_the_way(
    record: TransferRecord, filer: FilerRun, web: HttpFiles
) -> None:
    web.files["/a"] = bytes(3_000_000)
    web.faults["/a"] = [Fault(hold_at=2_500_000)]
    record.inputs = (
        Input(path="/a", url=web.url_with_password + "/a"),
        Input(path="/b", content="b"),
    )

    with filer.start(record, "inputs") as process:
        assert record.reported.wait(100)
        web.release.set()
        process.communicate(timeout=100)

    assert process.returncode == 0
    assert record.reports[0].files_done == 1
    assert record.reports[0].files_total == 2
    assert record.reports[0].bytes_done >= 1_000_000
    assert record.reports[0].bytes_total == 3_000_001
    assert record.reports[0].bytes_per_second > 0
    assert record.reports[0].path == "/a"
    assert record.reports[0].url == f"{web.url}/a"


def test_a_scheduler_that_restarts_is_waited_for(
    record: TransferRecord, filer: FilerRun
) -> None:
    record.outages = 8
    record.inputs = (Input(path="/a", content="x"),)

    assert filer.run(record, "inputs")[0] == 0


def test_a_scheduler_that_stays_away_ends_with_75(
    record: TransferRecord, filer: FilerRun
) -> None:
    record.address = "127.0.0.1:1"
    impatient = FilerRun(filer.folder, environ={"TESK_FILER_SCHEDULER_TIMEOUT": "0.2"})

    assert impatient.run(record, "inputs")[0] == 75


def test_the_end_of_the_attempt_stops_the_filer(
    record: TransferRecord, filer: FilerRun, web: HttpFiles
) -> None:
    web.files["/a"] = bytes(3_000_000)
    web.faults["/a"] = [Fault(hold_at=2_500_000)]
    record.inputs = (Input(path="/a", url=web.url_with_password + "/a"),)

    with filer.start(record, "inputs") as process:
        assert web.held.wait(100)
        record.is_over = True
        _, log = process.communicate(timeout=100)

    assert process.returncode == 65
    assert "the attempt is over" in log
    assert not (filer.volume / "a").exists()
