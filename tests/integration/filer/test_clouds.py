"""Filer processes move files to clouds and to HDFS, and back."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from fakes.filer_process import FilerRun
from fakes.filer_scheduler import TransferRecord
from servers.azure import KEY, azure_server
from servers.gcs import gcs_server
from servers.gcs_faults import gcs_faults
from servers.identities import TOKEN, identity_server
from servers.webhdfs import webhdfs_server
from tesk_model.task import FileType, Input, Output

NAMES = ["a b.txt", "100%.gz", "d/é+#?.txt"]
HEAVY = ("azure.identity", "google.auth", "requests", "urllib3", "botocore")


def round_trip(
    record: TransferRecord, folder: Path, base: str, credentials: Sequence[object]
) -> str:
    """Send a directory and a file to ``base``, bring both back; return what is logged."""
    path = folder / "credentials.yaml"
    path.write_text(json.dumps({"credentials": credentials}))
    environ = {
        "TESK_FILER_CREDENTIALS": str(path),
        "PYTHONPROFILEIMPORTTIME": "1",
    }
    filer = FilerRun(folder, environ=environ)
    for name in NAMES:
        file = filer.volume / "out" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(name.encode() * 1000)
    record.outputs = (
        Output(path="/out", url=f"{base}/sent", type=FileType.DIRECTORY),
        Output(path="/out/*.gz", url=f"{base}/globbed", path_prefix="/out"),
    )
    record.inputs = (
        Input(path="/back", url=f"{base}/sent", type=FileType.DIRECTORY),
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
    return log


def loaded(log: str) -> set[str]:
    """Return the modules that a process imported."""
    modules = {line.rpartition("|")[2].strip() for line in log.splitlines()}
    assert "tesk_filer.main" in modules
    return modules


def test_files_go_to_google_and_back(record: TransferRecord, tmp_path: Path) -> None:
    with gcs_server("transfers") as endpoint:
        account = {"endpoint": endpoint, "anonymous": True}
        credentials = [{"prefix": "gs://transfers", "gcs": account}]

        log = round_trip(record, tmp_path, "gs://transfers/below", credentials)

    assert not loaded(log) & {*HEAVY}


def test_files_go_to_azure_and_back(record: TransferRecord, tmp_path: Path) -> None:
    with azure_server() as server:
        account = {"endpoint": server.endpoint, "key": KEY}
        credentials = [{"prefix": "az://", "azure": account}]

        log = round_trip(record, tmp_path, "az://data/below", credentials)

    assert not loaded(log) & {*HEAVY}


def test_files_go_to_hdfs_and_back(record: TransferRecord, tmp_path: Path) -> None:
    with webhdfs_server() as server:
        prefix = server.url
        login = {"user": "ada", "password": ""}
        credentials = [{"prefix": prefix, "login": login}]

        log = round_trip(record, tmp_path, f"{prefix}/below", credentials)

    assert not loaded(log) & {*HEAVY}
    assert set(server.users) == {"ada"}
    assert not [path for path in server.files if path.endswith(".part")]


def test_a_blob_is_read_by_its_url_of_https_too(
    record: TransferRecord, tmp_path: Path
) -> None:
    with azure_server() as server:
        credentials: list[object] = [
            {"prefix": "az://", "azure": {"endpoint": server.endpoint, "key": KEY}},
            {
                "prefix": server.endpoint,
                "azure": {"endpoint": server.endpoint, "key": KEY},
            },
        ]
        round_trip(record, tmp_path, "az://data/below", credentials)
        record.inputs = (
            Input(path="/two", url=f"{server.endpoint}/data/below/globbed/100%25.gz"),
        )
        environ = {"TESK_FILER_CREDENTIALS": str(tmp_path / "credentials.yaml")}
        filer = FilerRun(tmp_path, environ=environ)

        code, log = filer.run(record, "inputs")

        assert (code, record.result.error) == (0, ""), log
        assert (filer.volume / "two").read_bytes() == b"100%.gz" * 1000


def test_a_federated_identity_is_exchanged_by_googles_library(
    record: TransferRecord, tmp_path: Path
) -> None:
    (tmp_path / "jwt").write_text("jwt.of.a-workload")
    with gcs_faults() as google, identity_server() as identities:
        google.content = b"content"
        document = {
            "type": "external_account",
            "audience": "//iam.googleapis.com/pools/x",
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "token_url": f"http://{identities.address}/sts",
            "credential_source": {"file": str(tmp_path / "jwt")},
        }
        (tmp_path / "federated.json").write_text(json.dumps(document))
        entry = {"prefix": "gs://bucket", "gcs": {"endpoint": google.url}}
        credentials = tmp_path / "credentials.yaml"
        credentials.write_text(json.dumps({"credentials": [entry]}))
        record.inputs = (Input(path="/a", url="gs://bucket/a"),)
        environ = {
            "TESK_FILER_CREDENTIALS": str(credentials),
            "GOOGLE_APPLICATION_CREDENTIALS": str(tmp_path / "federated.json"),
        }
        filer = FilerRun(tmp_path, environ=environ)

        code, log = filer.run(record, "inputs")

    assert code == 0, log
    assert (filer.volume / "a").read_bytes() == b"content"
    (asked,) = identities.asked
    assert (asked.path, asked.fields["subject_token"]) == ("/sts", "jwt.of.a-workload")
    assert google.authorizations == [f"Bearer {TOKEN}"]


LIBRARIES = {
    "google/auth": ("gs://bucket/a", "google-auth is not installed"),
    "azure": (
        "abfss://data@account.dfs.core.windows.net/a",
        "azure-identity is not installed",
    ),
}


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_library_that_is_missing_is_named(
    record: TransferRecord, tmp_path: Path, library: str
) -> None:
    absent = tmp_path / "path" / library / "__init__.py"
    absent.parent.mkdir(parents=True)
    absent.write_text("raise ImportError")
    url, message = LIBRARIES[library]
    record.inputs = (Input(path="/a", url=url),)
    (tmp_path / "federated.json").write_text('{"type": "external_account"}')
    environ = {
        "PYTHONPATH": f"{tmp_path}/path",
        "GOOGLE_APPLICATION_CREDENTIALS": str(tmp_path / "federated.json"),
        "AZURE_CLIENT_CERTIFICATE_PATH": str(tmp_path / "certificate.pem"),
    }

    code, _ = FilerRun(tmp_path, environ=environ).run(record, "inputs")

    assert code == 65
    assert message in record.result.error
