import os
import stat
from datetime import timedelta
from pathlib import Path

import pytest

from tesk_cli.serve.errors import HomeInUseError, ServeError
from tesk_cli.serve.home import RunningServer, StateHome


def prepared(path: Path) -> StateHome:
    home = StateHome(path)
    home.prepare()
    return home


def test_state_is_for_its_user_alone(tmp_path: Path) -> None:
    home = prepared(tmp_path / "a" / "b")

    assert stat.S_IMODE(home.path.stat().st_mode) == 0o700
    assert stat.S_IMODE(home.token_file.stat().st_mode) == 0o600
    assert len(home.token_file.read_text()) > 30


def test_the_token_is_made_once(tmp_path: Path) -> None:
    first = prepared(tmp_path).token_file.read_text()

    assert prepared(tmp_path).token_file.read_text() == first


def test_a_state_folder_that_cannot_be_made_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(ServeError, match="TESK_HOME"):
        prepared(tmp_path / "file" / "home")


def test_a_second_server_is_refused_with_the_url_of_the_first(tmp_path: Path) -> None:
    first, second = prepared(tmp_path), prepared(tmp_path)
    first.acquire()
    first.announce(RunningServer(url="http://127.0.0.1:1", pid=42))

    with pytest.raises(HomeInUseError, match=r"http://127\.0\.0\.1:1, process 42"):
        second.acquire()

    assert second.running() == RunningServer(url="http://127.0.0.1:1", pid=42)
    first.release()


def test_the_announcement_of_a_dead_server_is_ignored(tmp_path: Path) -> None:
    first, second = prepared(tmp_path), prepared(tmp_path)
    first.acquire()
    first.announce(RunningServer(url="http://127.0.0.1:1", pid=42))

    first.release()

    assert second.running() is None
    second.acquire()
    second.release()


def test_services_that_do_not_end_are_an_error(tmp_path: Path) -> None:
    first, second = prepared(tmp_path), prepared(tmp_path)
    first.acquire()
    service = os.dup(first.services_lock)
    first.release()

    with pytest.raises(ServeError, match="do not end"):
        second.acquire(timeout=timedelta(0))

    os.close(service)
    second.acquire(timeout=timedelta(0))
    second.release()


def test_a_home_that_is_not_there_runs_nothing(tmp_path: Path) -> None:
    assert StateHome(tmp_path / "none").running() is None


def test_a_long_path_gets_a_short_private_socket(tmp_path: Path) -> None:
    home = prepared(tmp_path / ("x" * 120))

    socket = home.socket_path()

    assert len(str(socket)) <= 100
    assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700
    assert socket == home.socket_path()
    socket.parent.rmdir()


def test_a_short_path_holds_the_socket_itself() -> None:
    assert StateHome(Path("/h")).socket_path() == Path("/h/scheduler.sock")
