"""A pod reaches its cluster with what Kubernetes mounts into it."""

import ssl
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from files.certificates import Authority
from servers.api_server import Script, serving
from tesk_kubernetes.api import CONFIG_MAPS, RefusedError
from tesk_kubernetes.client import RealKubernetesApi
from tesk_kubernetes.connection import CredentialsError
from tesk_kubernetes.service_account import service_account_connection
from tesk_kubernetes.transport import Transport

FOUND = '{"metadata": {"name": "a"}}'
ADDRESS = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "443"}


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "authority")


@pytest.fixture
def folder(tmp_path: Path, authority: Authority) -> Path:
    """Return the folder that Kubernetes mounts."""
    folder = tmp_path / "account"
    folder.mkdir()
    (folder / "token").write_text("first\n")
    (folder / "ca.crt").write_bytes(authority.certificate.read_bytes())
    return folder


@pytest.fixture
def script() -> Script:
    return Script([(200, {}, FOUND)])


@pytest.fixture
def environ(script: Script, authority: Authority) -> Iterator[dict[str, str]]:
    """Give the variables of a pod, while an API server answers."""
    pair = authority.issue("127.0.0.1")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pair.certificate, pair.key)
    with serving(script, context) as url:
        host, _, port = url.removeprefix("https://").partition(":")
        yield {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port}


def opened(environ: dict[str, str], folder: Path) -> RealKubernetesApi:
    connection = service_account_connection(environ, folder)
    return RealKubernetesApi(Transport(connection, retry_for=timedelta(0)))


def test_its_token_is_sent_to_who_has_a_certificate_of_the_cluster(
    environ: dict[str, str], folder: Path, script: Script
) -> None:
    found = opened(environ, folder).get(CONFIG_MAPS, "n", "a")

    assert found == {"metadata": {"name": "a"}}
    assert script.tokens == ["Bearer first"]


def test_nobody_else_gets_the_token(
    environ: dict[str, str], folder: Path, script: Script, tmp_path: Path
) -> None:
    other = Authority(tmp_path / "other")
    (folder / "ca.crt").write_bytes(other.certificate.read_bytes())

    with pytest.raises(RefusedError, match="certificate is not trusted"):
        opened(environ, folder).get(CONFIG_MAPS, "n", "a")

    assert script.tokens == []


def test_a_rotated_token_is_read_again(
    environ: dict[str, str], folder: Path, script: Script
) -> None:
    script.answers[:] = [(401, {}, ""), (200, {}, FOUND)]
    connection = service_account_connection(environ, folder)
    api = RealKubernetesApi(Transport(connection, retry_for=timedelta(seconds=5)))
    (folder / "token").write_text("second")

    api.get(CONFIG_MAPS, "n", "a")

    assert script.tokens == ["Bearer first", "Bearer second"]


INCOMPLETE: dict[str, tuple[dict[str, str], dict[str, str], str]] = {
    "no pod": ({}, {}, "KUBERNETES_SERVICE_HOST"),
    "no token": (ADDRESS, {"ca.crt": "x"}, "token"),
    "an empty token": (ADDRESS, {"ca.crt": "x", "token": "\n"}, "token is empty"),
    "no certificate": (ADDRESS, {"token": "x"}, "ca.crt"),
}


@pytest.mark.parametrize(
    ("environ", "files", "want"), INCOMPLETE.values(), ids=INCOMPLETE
)
def test_what_is_missing_is_named(
    environ: dict[str, str], files: dict[str, str], want: str, tmp_path: Path
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)

    with pytest.raises(CredentialsError, match=want):
        service_account_connection(environ, tmp_path)


def test_an_address_of_ipv6_is_in_brackets(folder: Path) -> None:
    environ = ADDRESS | {"KUBERNETES_SERVICE_HOST": "fd00::1"}

    connection = service_account_connection(environ, folder)

    assert connection.host == "https://[fd00::1]:443"


def test_no_pod_imports_the_official_client() -> None:
    """It would take more time and memory than all else of a taskmaster's start."""
    code = (
        "import sys\n"
        "import tesk_taskmaster.main\n"
        "import tesk_taskmaster.adapters.kubernetes.factory\n"
        "import tesk_scheduler.adapters.kubernetes.cluster\n"
        "sys.exit('kubernetes' in sys.modules)\n"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
