"""Discovery of an engine, and why one cannot be used."""

from pathlib import Path

import pytest

from tesk_model.errors import UnavailableError
from tesk_taskmaster.adapters.container.discovery import (
    engine_hosts,
    engine_problem,
    host_problem,
    open_container_engine,
)


def test_docker_host_is_binding() -> None:
    assert engine_hosts({"DOCKER_HOST": "unix:///x", "XDG_RUNTIME_DIR": "/run/u"}) == (
        "unix:///x",
    )


def test_else_the_usual_sockets_are_tried_in_order() -> None:
    assert engine_hosts({"XDG_RUNTIME_DIR": "/run/user/7"}) == [
        "unix:///var/run/docker.sock",
        "unix:///run/user/7/docker.sock",
        "unix:///run/user/7/podman/podman.sock",
        "unix:///run/podman/podman.sock",
    ]


HOSTS = {
    "tcp://build.example.org:2375": "another machine",
    "ssh://me@build.example.org": "another machine",
    "https://10.1.2.3:2376": "another machine",
    "unix:///no/such/socket": "no such socket",
}


@pytest.mark.parametrize(("host", "problem"), HOSTS.items(), ids=HOSTS)
def test_an_engine_that_cannot_be_used(host: str, problem: str) -> None:
    assert problem in (host_problem(host) or "")


@pytest.mark.parametrize(
    "host", ["tcp://localhost:2375", "tcp://127.0.0.1:2375", "https://[::1]:2376"]
)
def test_an_engine_on_this_machine_may_listen_on_tcp(host: str) -> None:
    assert host_problem(host) is None


def test_the_error_says_what_was_tried(tmp_path: Path) -> None:
    launcher = tmp_path / "launcher"
    launcher.touch()
    environ = {"DOCKER_HOST": "tcp://127.0.0.1:1"}

    with pytest.raises(UnavailableError, match=r"127\.0\.0\.1:1: .*refused"):
        open_container_engine(environ, launcher=launcher, home=tmp_path)


def test_a_launcher_that_is_not_built_is_reported(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="launcher is not built"):
        open_container_engine({}, launcher=tmp_path / "launcher", home=tmp_path)


@pytest.mark.parametrize(
    ("host", "problem"),
    [
        ("tcp://build.example.org:2375", "another machine"),
        ("ssh://me@build.example.org", "another machine"),
        ("unix:///no/such/socket", "no such socket"),
        ("tcp://127.0.0.1:1", "refused"),
    ],
)
def test_a_probe_reports_what_opening_the_engine_reports(
    host: str, problem: str, tmp_path: Path
) -> None:
    launcher = tmp_path / "launcher"
    launcher.touch()
    environ = {"DOCKER_HOST": host}

    probed = engine_problem(environ, launcher)
    with pytest.raises(UnavailableError) as caught:
        open_container_engine(environ, launcher=launcher, home=tmp_path)

    assert problem in probed
    assert probed == str(caught.value)
    assert "launcher is not built" in engine_problem(environ, tmp_path / "none")
