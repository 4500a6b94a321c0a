"""Servers that repeat what they are told cannot make TESK tell secrets.

Nor do secrets appear where other users, or a task's own command, could look.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from fakes.filer_process import FilerRun
from fakes.filer_scheduler import TransferRecord, transfer_server
from files.certificates import Authority
from programs.stack import find_processes, running_stack
from programs.waiting import eventually
from servers.echo import ftp_echo_server, http_echo_server
from servers.http import Fault, http_server
from servers.sftp_echo import sftp_echo_server
from tesk_model.locations import scheme_of
from tesk_model.schemes import SCHEMES
from tesk_model.task import FileType, Input, Output

MARK = "m4rk3d"
"""A part of every secret; each is found in base64 by one of ``MARKS``, too."""
MARKS = (MARK, "bTRyazNk", "00cmszZ", "tNHJrM2")

CREDENTIALS = """
credentials:
- prefix: http://{http}/login
  login: {{user: ada, password: m4rk3d-m4rk3d-password}}
- prefix: http://{http}/bearer
  bearer: {{token: m4rk3d-m4rk3d-token}}
- prefix: s3://marked
  s3:
    endpoint: http://{http}
    region: us-east-1
    accessKey: AKIAEXAMPLE
    secretKey: m4rk3d-m4rk3d-secret-key
    sessionToken: m4rk3d-m4rk3d-session-token
- prefix: s3://sdk
  s3:
    endpoint: http://{http}
    region: us-east-1
    accessKey: AKIAEXAMPLE
    secretKey: m4rk3d-m4rk3d-sdk-secret-key
    sessionToken: m4rk3d-m4rk3d-sdk-token
    sdk: true
- prefix: gs://marked
  gcs: {{endpoint: "http://{http}", keyFile: account.json}}
- prefix: az://marked
  azure:
    endpoint: http://{http}/account
    sas: sv=2021-12-02&sp=rwl&sig=m4rk3d-m4rk3d-signature
- prefix: az://keyed
  azure:
    endpoint: http://{http}/account
    key: bTRyazNkLW00cmszZC1henVyZS1rZXk=
- prefix: webhdfs://{http}/login
  login: {{user: ada, password: m4rk3d-m4rk3d-hadoop-password}}
- prefix: webhdfs://{http}/token
  bearer: {{token: m4rk3d-m4rk3d-delegation}}
- prefix: https://{https}
  login: {{user: ada, password: m4rk3d-m4rk3d-by-tls}}
- prefix: htsget://{https}
  login: {{user: ada, password: m4rk3d-m4rk3d-htsget}}
- prefix: drs://{https}
  bearer: {{token: m4rk3d-m4rk3d-drs}}
- prefix: ftp://{ftp}
  login: {{user: ada, passwordFile: password}}
- prefix: sftp://{sftp}/login
  login: {{user: ada, password: m4rk3d-m4rk3d-sftp}}
- prefix: sftp://{sftp}/key
  privateKey: {{user: bob, keyFile: id, passphrase: m4rk3d-m4rk3d-passphrase}}
"""
STATUSES = (302, 307, 308, 400, 401, 403, 404, 409, 412, 500, 503)


TOLD = (
    *("password", "token", "session-token", "ambient-token", "sdk-token", "file"),
    *("signature", "hadoop-password", "delegation", "sftp", "by-tls"),
)
"""What protocols send; keys that sign are not."""


def service_account(address: str) -> str:
    """Return the key of an account whose tokens come from ``address``."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return json.dumps(
        {
            "type": "service_account",
            "client_email": "filer@marked.iam.gserviceaccount.com",
            "token_uri": f"http://{address}/token",
            "private_key_id": "m4rk3d",
            "private_key": pem,
        }
    )


@dataclass(frozen=True, kw_only=True)
class Site:
    """Hostile servers, and what the operator gives for them.

    Attributes:
        bases: Urls below which each server answers with what a status says.
        places: Urls of servers whose answers are all the same.
        resolvers: Urls that can only be inputs.
        environ: What filers need.
        heard: What the servers were told.
        heard_elsewhere: What a server was told to which they redirect.
    """

    bases: tuple[str, ...]
    places: tuple[str, ...]
    resolvers: tuple[str, ...]
    environ: Mapping[str, str]
    heard: list[list[str]]
    heard_elsewhere: list[str]

    @property
    def urls(self) -> tuple[str, ...]:
        """All urls."""
        each = (f"{base}/{status}" for base in self.bases for status in STATUSES)
        return (*each, *self.places)


@pytest.fixture
def record() -> Iterator[TransferRecord]:
    with transfer_server(TransferRecord()) as record:
        yield record


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    mounted = tmp_path_factory.mktemp("mounted")
    authority = Authority(tmp_path_factory.mktemp("authority"))
    with (
        http_echo_server() as elsewhere,
        http_echo_server() as web,
        http_echo_server(authority.issue("127.0.0.1")) as secure,
        ftp_echo_server() as archive,
        sftp_echo_server() as (vault, known_host),
    ):
        web.elsewhere = secure.elsewhere = f"http://{elsewhere.address}/302"
        text = CREDENTIALS.format(
            http=web.address,
            https=secure.address,
            ftp=archive.address,
            sftp=vault.address,
        )
        (mounted / "credentials.yaml").write_text(text)
        (mounted / "password").write_text("m4rk3d-m4rk3d-file")
        (mounted / "known_hosts").write_text(known_host)
        key = asyncssh.generate_private_key("ssh-rsa", key_size=2048)
        pem = key.export_private_key("pkcs1-pem", "m4rk3d-m4rk3d-passphrase")
        (mounted / "id").write_bytes(pem)
        (mounted / "account.json").write_text(service_account(web.address))
        yield Site(
            bases=(
                f"http://{web.address}/login",
                f"http://{web.address}/bearer",
                "s3://marked/a",
                "s3://ambient/a",
                "s3://sdk/a",
                "gs://marked/a",
                "az://marked/a",
                "az://keyed/a",
                f"https://{secure.address}/a",
                f"webhdfs://{web.address}/login",
                f"webhdfs://{web.address}/token",
            ),
            places=(
                f"ftp://{archive.address}/a",
                f"sftp://{vault.address}/login/a",
                f"sftp://{vault.address}/key/a",
            ),
            resolvers=(
                f"htsget://{secure.address}/reads/400",
                f"drs://{secure.address}/400",
            ),
            environ={
                "TESK_FILER_CREDENTIALS": str(mounted),
                "REQUESTS_CA_BUNDLE": str(authority.certificate),
                "TESK_FILER_KNOWN_HOSTS": str(mounted / "known_hosts"),
                "TESK_FILER_S3_ENDPOINT": f"http://{web.address}",
                "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
                "AWS_SECRET_ACCESS_KEY": "m4rk3d-m4rk3d-ambient-key",
                "AWS_SESSION_TOKEN": "m4rk3d-m4rk3d-ambient-token",
                "TESK_FILER_TRIES": "1",
                "TESK_LOG_LEVEL": "debug",
            },
            heard=[web.heard, secure.heard, archive.heard, vault.heard],
            heard_elsewhere=elsewhere.heard,
        )


def marks_in(*texts: object) -> list[str]:
    return [mark for mark in MARKS for text in texts if mark in str(text)]


def sent_by(record: TransferRecord) -> list[object]:
    return [record.results, record.uploaded, record.reports]


def test_the_servers_are_told_secrets_and_repeat_them(
    record: TransferRecord, site: Site, tmp_path: Path
) -> None:
    """Without this, the others would show nothing."""
    filer = FilerRun(tmp_path, environ=site.environ)
    (filer.volume / "a").write_text("x")
    record.outputs = tuple(Output(path="/a", url=url) for url in site.urls)

    code, log = filer.run(record, "outputs")

    assert code == 65, log
    heard = "".join(chain.from_iterable(site.heard))
    missing = [each for each in TOLD if f"{MARK}-{MARK}-{each}" not in heard]
    assert missing == []
    assert not marks_in(log, *sent_by(record))
    assert "***" in record.result.error
    assert site.heard_elsewhere
    assert not marks_in(*site.heard_elsewhere)


def test_no_secret_comes_back_of_inputs(
    record: TransferRecord, site: Site, tmp_path: Path
) -> None:
    filer = FilerRun(tmp_path, environ=site.environ)
    permanent = (
        *(f"{base}/400" for base in site.bases),
        *(*site.places, *site.resolvers),
    )
    of_storages = {SCHEMES[scheme_of(url)].storage: url for url in permanent}
    for url in of_storages.values():
        lists = SCHEMES[scheme_of(url)].lists
        kind = FileType.DIRECTORY if lists else FileType.FILE
        record.inputs = (Input(path="/a", url=url, type=kind),)

        code, log = filer.run(record, "inputs")

        assert code == 65, log
        assert not marks_in(log, *sent_by(record))
    heard = "".join(chain.from_iterable(site.heard))
    for secret in ("htsget", "drs"):
        assert f"{MARK}-{MARK}-{secret}" in heard


def test_a_password_in_a_url_does_not_come_back(
    record: TransferRecord, site: Site, tmp_path: Path
) -> None:
    known = {"TESK_FILER_KNOWN_HOSTS": site.environ["TESK_FILER_KNOWN_HOSTS"]}
    filer = FilerRun(tmp_path, environ={"TESK_FILER_TRIES": "1", **known})
    urls = [
        url.replace("://", "://ada:m4rk3d-m4rk3d-url@")
        for url in (*(f"{site.bases[0]}/{status}" for status in STATUSES), *site.places)
    ]
    (filer.volume / "a").write_text("x")
    record.outputs = tuple(Output(path="/a", url=url) for url in urls)

    code, log = filer.run(record, "outputs")

    assert code == 65, log
    assert not marks_in(log, *sent_by(record))
    assert "***" in record.result.error


def command_lines(home: Path) -> list[bytes]:
    return [
        Path(f"/proc/{pid}/cmdline").read_bytes() for pid in find_processes("", home)
    ]


ONCE = {"TESK_TASKMASTER_UPLOAD_TRIES": "1", "TESK_SCHEDULER_MAX_ATTEMPTS": "1"}
LOOK_AROUND = "env; cat /proc/*/environ /proc/*/cmdline /proc/mounts; echo > /out/a"


def test_secrets_are_nowhere_in_a_running_tesk_but_in_their_files(
    site: Site, tmp_path: Path
) -> None:
    with (
        http_server() as web,
        running_stack(tmp_path, environ={**site.environ, **ONCE}) as stack,
    ):
        web.files["/a"] = bytes(3_000_000)
        web.faults["/a"] = [Fault(hold_at=2_500_000)] * 3
        held: dict[str, Any] = {
            "inputs": [{"path": "/in/a", "url": web.url + "/a"}],
            "executors": [{"image": "busybox", "command": ["sh", "-c", LOOK_AROUND]}],
            "outputs": [
                {"path": "/out/a", "url": url, "type": "FILE"} for url in site.urls
            ],
        }

        task_id = stack.create(held)
        assert web.held.wait(100)
        running = [*command_lines(stack.home), stack.live(task_id)]
        web.release.set()
        task = stack.finish(task_id)

        assert task["state"] == "SYSTEM_ERROR"
        assert "/proc" in task["logs"][-1]["logs"][0]["stdout"]
        assert not marks_in(*running, task, stack.live(task_id))
        log = stack.log_file.read_text()
        assert "transfer ended" in log
        assert not marks_in(log)
        eventually(lambda: not stack.leftovers())
        stored = [file for file in stack.home.rglob("*") if file.is_file()]
        assert any(file.name.endswith(".db") for file in stored), stored
        for file in stored:
            assert not marks_in(file.read_bytes().decode("latin-1")), file
