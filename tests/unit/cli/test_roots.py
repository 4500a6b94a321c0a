"""Which folders a server of this machine lets tasks use."""

from pathlib import Path

import pytest

from tesk_cli.serve.errors import ServeError
from tesk_cli.serve.roots import (
    alternative_folder,
    command_roots,
    default_folder,
    make_default_folder,
    reference_folders,
    server_roots,
)
from tesk_runtime.own_code import checkout_of, find_protected_paths, own_code_paths
from tesk_runtime.protected_paths import ProtectedPaths


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"HOME": str(tmp_path)}


@pytest.fixture
def protected(tmp_path: Path) -> ProtectedPaths:
    (tmp_path / "state").mkdir()
    return find_protected_paths(tmp_path / "state")


def test_a_server_has_a_folder_of_its_own(
    environ: dict[str, str], protected: ProtectedPaths, tmp_path: Path
) -> None:
    roots = server_roots((), environ, protected)
    make_default_folder(roots, environ)

    assert roots == (tmp_path / "tesk-files",)
    assert roots[0].is_dir()


def test_a_folder_that_is_named_is_not_made(
    environ: dict[str, str], protected: ProtectedPaths, tmp_path: Path
) -> None:
    roots = server_roots((str(tmp_path / "data"),), environ, protected)
    make_default_folder(roots, environ)

    assert roots == (tmp_path / "data",)
    assert not (tmp_path / "data").exists()
    assert not default_folder(environ).exists()


REFUSED = {
    "the checkout": Path(__file__).parents[3],
    "the checkout's git": Path(__file__).parents[3] / ".git",
    "the folder of the packages": Path(pytest.__file__).parent,
    "this machine's settings": Path("/etc/cron.d"),
    "keys": Path("/home/somebody/.ssh"),
}


@pytest.mark.parametrize("folder", REFUSED.values(), ids=REFUSED)
def test_a_server_refuses_folders_that_no_task_touches(
    environ: dict[str, str], protected: ProtectedPaths, folder: Path
) -> None:
    with pytest.raises(ServeError, match=r"TESK_FILE_ROOTS: .*name another folder"):
        server_roots((str(folder),), environ, protected)


def test_a_server_refuses_its_state(
    environ: dict[str, str], protected: ProtectedPaths, tmp_path: Path
) -> None:
    with pytest.raises(ServeError, match="TESK_HOME"):
        server_roots((str(tmp_path / "state"),), environ, protected)


def test_a_folder_that_cannot_be_made_is_reported(environ: dict[str, str]) -> None:
    default_folder(environ).write_text("a file")

    with pytest.raises(ServeError, match="TESK_FILE_ROOTS"):
        make_default_folder((default_folder(environ),), environ)


def test_a_command_works_where_its_user_is(
    environ: dict[str, str], protected: ProtectedPaths, tmp_path: Path
) -> None:
    folders = (tmp_path / "here", tmp_path / "task")

    assert command_roots(folders, environ, protected) == folders
    assert alternative_folder(folders[0], environ, protected) is None


def test_a_command_in_the_checkout_writes_elsewhere(
    environ: dict[str, str], protected: ProtectedPaths
) -> None:
    checkout = Path(__file__).parents[3]

    roots = command_roots((checkout, checkout / "examples"), environ, protected)

    assert roots == (default_folder(environ),)
    assert alternative_folder(checkout, environ, protected) == default_folder(environ)


def test_the_checkout_is_known_by_its_lock_file() -> None:
    assert checkout_of(Path(__file__)) == Path(__file__).parents[3]
    assert checkout_of(Path(pytest.__file__).parent) is None
    assert Path(__file__).parents[3] in {place.path for place in own_code_paths()}


def test_a_reference_is_a_folder_of_this_machine(
    protected: ProtectedPaths, tmp_path: Path
) -> None:
    (tmp_path / "genomes").mkdir()

    found = reference_folders({"g": str(tmp_path / "genomes")}, protected, [])

    assert found == {"g": tmp_path / "genomes"}


NO_REFERENCES = {
    "what is not there": ("{tmp}/none", "is not a folder"),
    "a file": ("{tmp}/file", "is not a folder"),
    "the state": ("{tmp}/state", "name another folder"),
    "what holds the state": ("{tmp}", "holds {tmp}/state; name a folder without it"),
    "what holds the state, by a link": ("{tmp}/link", "name a folder without it"),
}


@pytest.mark.parametrize(("folder", "why"), NO_REFERENCES.values(), ids=NO_REFERENCES)
def test_no_reference_shows_what_tasks_must_not_see(
    protected: ProtectedPaths, tmp_path: Path, folder: str, why: str
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(".")
    path = folder.format(tmp=tmp_path)

    with pytest.raises(ServeError, match=why.format(tmp=tmp_path)) as refusal:
        reference_folders({"g": path}, protected, [tmp_path / "state"])

    assert str(refusal.value).startswith(f"TESK_REFERENCES: g: {path} ")
