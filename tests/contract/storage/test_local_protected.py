"""Protected paths are refused, whatever the roots allow."""

import os
import subprocess
from pathlib import Path

import pytest

from contract.storage.places import Place
from tesk_filer.adapters.storage.local import LocalStorage
from tesk_filer.ports import StorageError
from tesk_runtime.protected_paths import (
    ProtectedPath,
    ProtectedPaths,
    settings_paths,
    state_paths,
)

TEXT = b"as it was"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    for name in ("home/tasks/t1", "code/deep", "code/examples", "d/e"):
        (folder / name).mkdir(parents=True)
    for name in ("home/token", "home/tasks/t1/file", "code/deep/main.py", "d/a"):
        (folder / name).write_bytes(TEXT)
    (folder / "code/examples/data").write_bytes(TEXT)
    return folder


@pytest.fixture
def place(root: Path) -> Place:
    protected = ProtectedPaths(
        [
            *state_paths(root / "home"),
            ProtectedPath(path=root / "code", description="the program", is_code=True),
            *settings_paths([str(root / "d/users")]),
        ]
    )
    storage = LocalStorage(
        [str(root)], read_roots=[str(root / "code/examples")], protected=protected
    )
    return Place(storage, str(root))


PLACES = {
    "a file of the state": "home/token",
    "a file deep in the state": "home/tasks/t1/file",
    "a new file of the state": "home/new",
    "the state, by way of another folder": "d/../home/token",
    "the state, through a link": "link/token",
    "a folder of the state, through a link": "deep-link/t1/file",
    "code": "code/deep/main.py",
    "a new file of the code": "code/deep/new/sitecustomize.py",
    "a file of the settings that is not there yet": "d/users",
    "what would make it a folder": "d/users/x",
    "a hook of git": "d/.git/hooks/pre-commit",
    "a worktree's link to git": "d/.git",
    "keys": ".ssh/authorized_keys",
    "keys, where names have no case": ".SSH/authorized_keys",
    "keys, where some characters are not seen": ".s\u200bsh/authorized_keys",
    "git, where a name ends in no dot": "d/.git./config",
    "a shell's start": ".bashrc",
    "programs that start with the session": ".config/autostart/x.desktop",
    "programs of the user": ".local/bin/ls",
    "credentials": "d/.aws/credentials",
}


@pytest.mark.parametrize("name", PLACES.values(), ids=PLACES)
def test_protected_places_are_neither_read_nor_written(
    place: Place, root: Path, name: str
) -> None:
    (root / "link").symlink_to(root / "home")
    (root / "deep-link").symlink_to("home/tasks")
    before = tree(root)
    url = f"{place.url}/{name}"

    for act in (
        lambda: place.get(url),
        lambda: place.put(url, b"attack"),
        lambda: place.stat(url),
        lambda: place.list(url),
        lambda: place.make_directory(url),
    ):
        with pytest.raises(StorageError, match="where no task reads or writes") as said:
            act()
        assert not said.value.transient

    assert tree(root) == before


def test_the_folder_itself_is_refused(place: Place, root: Path) -> None:
    with pytest.raises(StorageError, match=r"TESK_HOME.*no task reads"):
        place.list(f"{root}/home")
    with pytest.raises(StorageError, match=r"TESK_HOME.*no task reads"):
        place.make_directory(f"{root}/home")


def test_a_listing_leaves_protected_places_out_and_says_so(
    place: Place, root: Path
) -> None:
    (root / "d/.git/hooks").mkdir(parents=True)
    (root / "d/.ssh").mkdir()
    (root / "d/other").symlink_to(root / "home")

    page = place.list(f"{root}/d")
    top = place.list(str(root))

    assert [entry.name for entry in page.entries] == ["a"]
    assert page.notes == [
        '.git is left out: lies in ".git", where no task reads or writes',
        '.ssh is left out: lies in ".ssh", where no task reads or writes',
        (
            "other is left out: lies in TESK's own state (TESK_HOME), where no task "
            "reads or writes"
        ),
    ]
    assert [note.split(":")[0] for note in top.notes] == [
        "code is left out",
        "home is left out",
    ]
    assert [entry.name for entry in place.walk(str(root))] == ["d/a", "d/e"]


def test_a_folder_to_read_may_be_the_programs_own_and_is_never_written(
    place: Place, root: Path
) -> None:
    url = f"{root}/code/examples/data"

    assert place.get(url) == TEXT
    assert [entry.name for entry in place.walk(f"{root}/code/examples")] == ["data"]
    with pytest.raises(StorageError, match="where no task reads or writes"):
        place.put(url, b"attack")
    with pytest.raises(StorageError, match="where no task reads or writes"):
        place.get(f"{root}/code/deep/main.py")


def test_a_folder_to_read_is_not_to_write(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(TEXT)
    (tmp_path / "write").mkdir()
    storage = LocalStorage([str(tmp_path / "write")], read_roots=[str(tmp_path)])
    place = Place(storage, str(tmp_path))

    assert place.get(f"{tmp_path}/x") == TEXT
    with pytest.raises(StorageError, match="outside the folders"):
        place.put(f"{tmp_path}/x", b"attack")


def test_a_folder_to_read_never_opens_the_state(root: Path) -> None:
    protected = ProtectedPaths(state_paths(root / "home"))
    storage = LocalStorage([], read_roots=[str(root / "home")], protected=protected)

    with pytest.raises(StorageError, match="TESK_HOME"):
        Place(storage, "").get(f"{root}/home/token")


def test_the_state_has_no_second_name_by_a_mount(place: Place, root: Path) -> None:
    second = root / "d/second"
    second.mkdir()
    mount = ["mount", "--bind", str(root / "home"), str(second)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this user may not mount")
    try:
        with pytest.raises(StorageError, match="TESK_HOME"):
            place.get(f"{second}/token")
        with pytest.raises(StorageError, match="TESK_HOME"):
            place.put(f"{second}/new", b"attack")
        assert [entry.name for entry in place.walk(f"{root}/d")] == ["a", "e"]
    finally:
        subprocess.run(["umount", str(second)], check=True)


def test_the_state_has_no_second_name_by_a_hard_link(place: Place, root: Path) -> None:
    os.link(root / "home/token", root / "d/token")

    with pytest.raises(StorageError, match="TESK_HOME"):
        place.get(f"{root}/d/token")


ORDINARY = ("d/.gitignore", "d/git", "d/.configure", "d/.config", "d/ssh", "d/x.git")


@pytest.mark.parametrize("name", ORDINARY)
def test_ordinary_names_are_taken(place: Place, name: str) -> None:
    place.put(f"{place.url}/{name}", TEXT)

    assert place.get(f"{place.url}/{name}") == TEXT


def tree(root: Path) -> dict[str, bytes]:
    """Return what lies below a folder, with the contents of files."""
    return {
        str(path.relative_to(root)): path.read_bytes() if path.is_file() else b""
        for path in sorted(root.rglob("*"))
    }
