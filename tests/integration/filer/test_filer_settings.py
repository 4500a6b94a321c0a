"""Settings and credentials of real filer processes."""

import pytest

from fakes.filer_process import FilerRun
from fakes.filer_scheduler import TransferRecord
from servers.ftp import ftp_server
from servers.http import HttpFiles
from servers.s3 import ACCESS_KEY, SECRET_KEY, s3_server
from tesk_model.task import FileType, Input, Output

BAD_SETTINGS = {
    "no task": ({"TESK_FILER_TASK": ""}, "filer.task"),
    "no folder": ({"TESK_FILER_VOLUME": "/none"}, "TESK_FILER_VOLUME"),
    "no token": ({"TESK_FILER_TOKEN_FILE": "/none"}, "TESK_FILER_TOKEN_FILE"),
    "no shared folder": (
        {
            "TESK_FILER_SHARED_PREFIX": "file:///data/",
            "TESK_FILER_SHARED_PATH": "/none",
        },
        "TESK_FILER_SHARED_PATH",
    ),
    "half of a shared folder": (
        {"TESK_FILER_SHARED_PREFIX": "file:///data/"},
        "belong together",
    ),
    "a shared prefix of another kind": (
        {
            "TESK_FILER_SHARED_PREFIX": "s3://data/",
            "TESK_FILER_SHARED_PATH": "/tmp",
        },
        "TESK_FILER_SHARED_PREFIX",
    ),
    "a shared prefix that is no url": (
        {"TESK_FILER_SHARED_PREFIX": "data", "TESK_FILER_SHARED_PATH": "/tmp"},
        "TESK_FILER_SHARED_PREFIX",
    ),
    "no time to connect": (
        {"TESK_FILER_CONNECT_TIMEOUT": "0"},
        "TESK_FILER_CONNECT_TIMEOUT",
    ),
    "no time for a byte": (
        {"TESK_FILER_STALL_TIMEOUT": "0"},
        "TESK_FILER_STALL_TIMEOUT",
    ),
    "no direction": ({"TESK_FILER_DIRECTION": "up"}, "TESK_FILER_DIRECTION"),
}


@pytest.mark.parametrize(("environ", "want"), BAD_SETTINGS.values(), ids=BAD_SETTINGS)
def test_a_bad_setting_is_named(
    record: TransferRecord, filer: FilerRun, *, environ: dict[str, str], want: str
) -> None:
    code, log = FilerRun(filer.folder, environ=environ).run(record, "inputs")

    assert code == 78
    assert want in log


def test_a_variable_that_is_no_setting_is_told(
    record: TransferRecord, filer: FilerRun
) -> None:
    (filer.folder / "root/file").touch()
    record.inputs = (Input(path="/in", url=f"{filer.folder}/root/file"),)
    roots = (filer.folder / "root",)

    run = FilerRun(filer.folder, roots, environ={"TESK_FILER_PARALEL": "4"})
    code, log = run.run(record, "inputs")

    assert code == 0
    assert log.count("is ignored; is TESK_FILER_PARALLEL meant?") == 1


def test_the_error_without_credentials_says_where_to_set_them(
    record: TransferRecord, filer: FilerRun
) -> None:
    record.inputs = (Input(path="/a", url="s3://transfers/a"),)
    nobody = FilerRun(filer.folder, environ={"AWS_EC2_METADATA_DISABLED": "true"})

    code, _ = nobody.run(record, "inputs")

    assert code == 65
    assert (
        "inputs[0] (/a): s3://transfers/a: no credentials for S3" in record.result.error
    )


def test_public_buckets_need_no_credentials(
    record: TransferRecord, filer: FilerRun
) -> None:
    with s3_server("transfers") as service:
        client = service.client()
        client.put_object(
            Bucket="transfers", Key="a", Body=b"public", ACL="public-read"
        )
        client.close()
        record.inputs = (Input(path="/a", url="s3://transfers/a"),)
        anybody = FilerRun(
            filer.folder,
            environ={
                "TESK_FILER_S3_ENDPOINT": service.endpoint,
                "TESK_FILER_S3_ANONYMOUS": "true",
            },
        )

        assert anybody.run(record, "inputs")[0] == 0
        assert (filer.volume / "a").read_bytes() == b"public"


def test_a_netrc_file_logs_in_to_http_and_ftp(
    record: TransferRecord, filer: FilerRun, web: HttpFiles
) -> None:
    web.files["/a"] = b"from the web"
    served = filer.folder / "served"
    served.mkdir()
    (served / "b").write_text("from the archive")
    netrc = filer.folder / "netrc"
    netrc.write_text(
        "machine 127.0.0.1 login ada password s3cr3t\n"
        "machine localhost login ada password p@ss/word\n"
    )
    with ftp_server(served) as archive:
        record.inputs = (
            Input(path="/in/a", url=web.url + "/a"),
            Input(
                path="/in/b", url=archive.url.replace("127.0.0.1", "localhost") + "/b"
            ),
        )
        known = FilerRun(filer.folder, environ={"NETRC": str(netrc)})

        code, log = known.run(record, "inputs")

        assert (code, record.result.error) == (0, ""), log
        assert (filer.volume / "in/a").read_text() == "from the web"
        assert (filer.volume / "in/b").read_text() == "from the archive"
        assert archive.logins == ["ada"]
    assert "s3cr3t" not in log


def test_a_netrc_file_in_the_home_is_not_the_tasks(
    record: TransferRecord, filer: FilerRun, web: HttpFiles
) -> None:
    (filer.folder / ".netrc").write_text("machine 127.0.0.1 login ada password s3cr3t")
    web.files["/a"] = b"x"
    record.inputs = (Input(path="/a", url=web.url + "/a"),)
    at_home = FilerRun(filer.folder, environ={"HOME": str(filer.folder)})

    assert at_home.run(record, "inputs")[0] == 65
    assert set(web.authorizations) == {""}


def test_s3_credentials_may_be_a_file(record: TransferRecord, filer: FilerRun) -> None:
    with s3_server("transfers") as service:
        client = service.client()
        client.put_object(Bucket="transfers", Key="a", Body=b"content")
        client.close()
        credentials = filer.folder / "credentials"
        credentials.write_text(
            f"[default]\naws_access_key_id = {ACCESS_KEY}\n"
            f"aws_secret_access_key = {SECRET_KEY}\n"
        )
        record.inputs = (Input(path="/a", url="s3://transfers/a"),)
        by_file = FilerRun(
            filer.folder,
            environ={
                "AWS_SHARED_CREDENTIALS_FILE": str(credentials),
                "TESK_FILER_S3_ENDPOINT": service.endpoint,
            },
        )

        code, log = by_file.run(record, "inputs")

    assert (code, record.result.error) == (0, ""), log
    assert (filer.volume / "a").read_bytes() == b"content"


def test_shared_storage_is_where_it_is_mounted(
    record: TransferRecord, filer: FilerRun
) -> None:
    mounted = filer.folder / "mounted"
    (mounted / "run").mkdir(parents=True)
    (mounted / "run/a").write_text("shared")
    record.inputs = (
        Input(path="/in", url="file:///data/run", type=FileType.DIRECTORY),
    )
    record.outputs = (Output(path="/in/a", url="file:///data/results/b"),)
    environ = {
        "TESK_FILER_SHARED_PREFIX": "file:///data/",
        "TESK_FILER_SHARED_PATH": str(mounted),
    }
    sharing = FilerRun(filer.folder, environ=environ)

    assert sharing.run(record, "inputs")[0] == 0
    assert sharing.run(record, "outputs")[0] == 0
    record.inputs = (Input(path="/b", url="file:///data/../etc/passwd"),)
    assert sharing.run(record, "inputs")[0] == 65

    assert (mounted / "results/b").read_text() == "shared"
    assert "lies outside the storage that tasks share" in record.result.error
