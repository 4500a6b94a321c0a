"""The api asks about storages over TLS, and of a server that it trusts alone."""

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from files.certificates import Authority
from programs.ports import free_port
from tesk_api.adapters.storage_client import StorageClient
from tesk_api.domain.requests import Caller
from tesk_api.domain.task_checks import StorageResult
from tesk_filer.config import Settings
from tesk_filer.storage_server import make_server
from tesk_model.task import Input, Task
from tesk_runtime import settings
from tesk_runtime.rpc.channel import open_channel
from tesk_runtime.rpc.tls import channel_credentials
from tesk_runtime.sections import GrpcSettings

TASK = Task(inputs=(Input(path="/in", content="x"),))


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "authority")


@pytest.fixture
def address(tmp_path: Path, authority: Authority) -> Iterator[str]:
    pair = authority.issue("localhost")
    environ = {
        "PATH": os.environ["PATH"],
        "TESK_HOME": str(tmp_path / "home"),
        "TESK_GRPC_TLS_CERTIFICATE": str(pair.certificate),
        "TESK_GRPC_TLS_KEY": str(pair.key),
    }
    server = make_server(settings.load(Settings, environ), environ, token="t")
    address = f"localhost:{free_port()}"
    server.start(address)
    yield address
    server.stop(timedelta())


def asked(address: str, authority: Path) -> StorageResult:
    credentials = channel_credentials(GrpcSettings(tls_ca=str(authority)))
    with open_channel(address, token="t", credentials=credentials) as channel:
        client = StorageClient(channel, timeout=timedelta(seconds=60))
        return client.check(Caller(user="alice"), TASK)


def test_a_server_that_is_trusted_answers(address: str, authority: Authority) -> None:
    result = asked(address, authority.certificate)

    assert [each.verdict for each in result.checks] == ["ok"]


def test_another_server_is_not_asked(address: str, tmp_path: Path) -> None:
    stranger = Authority(tmp_path / "stranger")

    result = asked(address, stranger.certificate)

    assert not result.checks
    assert "does not answer" in result.problem
