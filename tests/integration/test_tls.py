"""The services as processes, with certificates between them."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.api_process import TOKEN, ApiProcess, run_api
from fakes.filer_process import FilerRun
from fakes.filer_scheduler import TransferRecord
from files.certificates import Authority
from programs.ports import free_port
from programs.waiting import eventually


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "authority")


@pytest.fixture
def address(tmp_path: Path, authority: Authority) -> Iterator[str]:
    """Run a scheduler that speaks TLS; return its address."""
    pair = authority.issue("localhost")
    token = tmp_path / "scheduler-token"
    token.write_text(TOKEN)
    address = f"localhost:{free_port()}"
    process = subprocess.Popen(
        [sys.executable, "-m", "tesk_scheduler"],
        env={
            "PATH": os.environ["PATH"],
            "TESK_HOME": str(tmp_path / "home"),
            "TESK_SCHEDULER_LISTEN": address,
            "TESK_GRPC_TOKEN_FILE": str(token),
            "TESK_GRPC_TLS_CERTIFICATE": str(pair.certificate),
            "TESK_GRPC_TLS_KEY": str(pair.key),
        },
        stderr=subprocess.DEVNULL,
    )
    yield address
    process.send_signal(signal.SIGTERM)
    process.wait(100)


def is_ready(api: ApiProcess) -> bool:
    return api.request("GET", "/readyz")[0] == 200


def test_the_api_talks_to_the_scheduler_it_trusts(
    tmp_path: Path, address: str, authority: Authority
) -> None:
    trust = {"TESK_GRPC_TLS_CA": str(authority.certificate)}
    with run_api(tmp_path, address, **trust) as api:
        eventually(lambda: is_ready(api))
        assert api.request("GET", "/ga4gh/tes/v1/tasks") == (200, b'{"tasks":[]}')


def test_the_api_says_once_why_it_does_not_trust_the_scheduler(
    tmp_path: Path, address: str, authority: Authority
) -> None:
    right = {"TESK_GRPC_TLS_CA": str(authority.certificate)}
    stranger = Authority(tmp_path / "stranger")
    wrong = {"TESK_GRPC_TLS_CA": str(stranger.certificate)}
    with (
        run_api(tmp_path, address, **right) as trusting,
        run_api(tmp_path, address, **wrong) as doubting,
    ):
        eventually(lambda: is_ready(trusting))
        eventually(
            lambda: (
                not is_ready(doubting) and "not signed by" in doubting.log.read_text()
            ),
        )
        assert b"cannot be reached" in doubting.request("GET", "/readyz")[1]
        lines = doubting.log.read_text().splitlines()

    assert len([line for line in lines if "not ready" in line]) == 1


def test_a_filer_does_not_talk_to_a_scheduler_it_does_not_trust(
    tmp_path: Path, address: str
) -> None:
    stranger = Authority(tmp_path / "stranger")
    environ = {
        "TESK_GRPC_TLS_CA": str(stranger.certificate),
        "TESK_FILER_SCHEDULER_TIMEOUT": "10",
    }

    code, log = FilerRun(tmp_path, environ=environ).run(
        TransferRecord(address=address), "inputs"
    )

    assert code == 75
    assert "not signed by the authority" in log


@pytest.mark.parametrize("service", ["api", "filer"])
def test_an_authority_that_is_not_there_is_named(tmp_path: Path, service: str) -> None:
    missing = {"TESK_GRPC_TLS_CA": str(tmp_path / "none.crt")}
    token = tmp_path / "token"
    token.write_text(TOKEN)
    done = subprocess.run(
        [sys.executable, "-m", f"tesk_{service}"],
        env={
            "PATH": os.environ["PATH"],
            "TESK_GRPC_TOKEN_FILE": str(token),
            "TESK_FILER_TOKEN_FILE": str(token),
            "TESK_FILER_TASK": "t1",
            "TESK_FILER_ATTEMPT": "1",
            "TESK_FILER_VOLUME": str(tmp_path),
            **missing,
        },
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.returncode == 78
    assert "TESK_GRPC_TLS_CA" in done.stderr
