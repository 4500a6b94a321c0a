from pathlib import Path

import httpx
import pytest

from tesk_cli.adapters.credentials import read_credentials
from tesk_model.errors import InvalidRequestError

SERVER = "http://tes.test:8080/v1"


def header(auth: httpx.Auth | None) -> str | None:
    if auth is None:
        return None
    request = next(auth.auth_flow(httpx.Request("GET", SERVER)))
    return request.headers["Authorization"]


def test_the_environment_comes_before_the_netrc_file(tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_text("machine tes.test login n password p\n")
    environ = {"HOME": str(tmp_path), "TESK_USER": "me", "TESK_PASSWORD": "pw"}

    assert header(read_credentials(SERVER, environ)) == "Basic bWU6cHc="


def test_the_netrc_file_comes_after_the_environment(tmp_path: Path) -> None:
    netrc = tmp_path / "mine"
    netrc.write_text("machine tes.test login n password p\n")
    netrc.chmod(0o600)

    assert header(read_credentials(SERVER, {"NETRC": str(netrc)})) == "Basic bjpw"


def test_credentials_are_optional(tmp_path: Path) -> None:
    assert read_credentials(SERVER, {"HOME": str(tmp_path)}) is None


def test_a_broken_netrc_file_is_named_but_not_quoted(tmp_path: Path) -> None:
    netrc = tmp_path / "mine"
    netrc.write_text("machine tes.test secret\n")

    with pytest.raises(InvalidRequestError, match="mine") as caught:
        read_credentials(SERVER, {"NETRC": str(netrc)})

    assert "secret" not in str(caught.value)
