"""What a filer costs before and around its first byte: CPU seconds by scheme."""

import json
import resource
import statistics
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from fakes.filer_process import FilerRun
from fakes.filer_scheduler import TransferRecord, transfer_server
from servers.azure import KEY, Blob, azure_server
from servers.ftp import ftp_server
from servers.gcs_faults import account_key, gcs_faults
from servers.http import http_server
from servers.identities import TOKEN, identity_server
from servers.s3 import s3_server
from servers.sftp import sftp_server
from tesk_model.task import Input

Row = tuple[str, str, str]
_TARGET = "≤ 0.2"


def rows(*, quick: bool) -> Iterator[Row]:
    """Bring one file of a byte by each scheme, again and again."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (folder / "files").mkdir()
        (folder / "files/a").write_text("x")
        record = stack.enter_context(transfer_server(TransferRecord()))
        web = stack.enter_context(http_server())
        web.files["/a"] = b"x"
        ftp = stack.enter_context(ftp_server(folder / "files"))
        sftp = stack.enter_context(sftp_server(folder / "files"))
        s3 = stack.enter_context(s3_server("bench"))
        client = s3.client()
        client.put_object(Bucket="bench", Key="a", Body=b"x")
        client.close()
        clouds = stack.enter_context(_clouds(folder))
        inputs = {
            "content": Input(path="/in/a", content="x"),
            "file": Input(path="/in/a", url=f"file://{folder}/files/a"),
            "http": Input(path="/in/a", url=f"{web.url}/a"),
            "ftp": Input(path="/in/a", url=f"{ftp.url}/a"),
            "sftp": Input(
                path="/in/a", url=f"{sftp.url_with_password}{folder}/files/a"
            ),
            "s3": Input(path="/in/a", url="s3://bench/a"),
            "gs with a key": Input(path="/in/a", url="gs://key/a"),
            "gs as the machine": Input(path="/in/a", url="gs://machine/a"),
            "az with a key": Input(path="/in/a", url="az://keyed/a"),
            "az as the machine": Input(path="/in/a", url="az://machine/a"),
        }
        known = {"TESK_FILER_KNOWN_HOSTS": str(sftp.known_hosts)}
        environ = {**s3.environ, **clouds, **known}
        run = FilerRun(folder, (folder / "files",), environ=environ)
        for scheme, entry in inputs.items():
            record.inputs = (entry,)
            used = [_cpu_seconds(run, record) for _ in range(5 if quick else 15)]
            words = (
                f"{statistics.median(used):.2f} ({min(used):.2f} to {max(used):.2f})"
            )
            yield scheme, words, _TARGET


@contextmanager
def _clouds(folder: Path) -> Iterator[Mapping[str, str]]:
    """Serve Google and Azure, with machines that have identities there."""
    with gcs_faults() as google, azure_server() as azure, identity_server() as machine:
        machine.headers["Metadata-Flavor"] = "Google"
        google.content = b"x"
        azure.token = TOKEN
        for container in ("keyed", "machine"):
            azure.put(f"{container}/a", Blob(b"x", ""))
        key = folder / "account.json"
        key.write_text(json.dumps(account_key(f"{google.url}/token")))
        entries = [
            {
                "prefix": "gs://key",
                "gcs": {"endpoint": google.url, "keyFile": key.name},
            },
            {"prefix": "gs://machine", "gcs": {"endpoint": google.url}},
            {
                "prefix": "az://keyed",
                "azure": {"endpoint": azure.endpoint, "key": KEY},
            },
            {"prefix": "az://machine", "azure": {"endpoint": azure.endpoint}},
        ]
        credentials = folder / "credentials.yaml"
        credentials.write_text(json.dumps({"credentials": entries}))
        yield {
            "TESK_FILER_CREDENTIALS": str(credentials),
            "GCE_METADATA_HOST": machine.address,
            "AZURE_POD_IDENTITY_AUTHORITY_HOST": f"http://{machine.address}",
        }


def _cpu_seconds(run: FilerRun, record: TransferRecord) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    code, log = run.run(record, "inputs")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if code:
        message = f"the filer failed: {log}"
        raise RuntimeError(message)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
