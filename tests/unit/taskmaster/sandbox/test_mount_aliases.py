"""Paths of this machine that a sandbox conceals."""

import os
from pathlib import Path

import pytest

from tesk_taskmaster.adapters.sandbox.mount_aliases import find_aliases
from tesk_taskmaster.adapters.sandbox.private_files import PrivateFiles, private_files

LINE = "{id} 1 {device} {root} {point} rw,relatime shared:1 - ext4 /dev/sda1 rw\n"


def table(*mounts: tuple[str, str, str]) -> str:
    return "".join(
        LINE.format(id=number, device=device, root=root, point=point)
        for number, (device, root, point) in enumerate(mounts)
    )


def folders(top: Path, *names: str) -> list[str]:
    for name in names:
        (top / name).mkdir(parents=True)
    return [str(top / name) for name in names]


@pytest.fixture
def top(tmp_path: Path) -> Path:
    return tmp_path.resolve()


def test_a_folder_has_its_own_name(top: Path) -> None:
    (home,) = folders(top, "home")

    assert find_aliases(Path(home), table(("8:1", "/", "/"))) == [home]


def test_a_mount_of_a_folder_above_gives_it_another(top: Path) -> None:
    home, other = folders(top, "home/state", "other/state")
    mounts = table(("8:1", "/", "/"), ("8:1", f"{top}/home", f"{top}/other"))

    assert find_aliases(Path(home), mounts) == [home, other]


def test_a_mount_of_a_part_is_one_as_well(top: Path) -> None:
    home, part = folders(top, "home", "part")
    mounts = table(("8:1", "/", "/"), ("8:1", f"{home}/tasks", part))

    assert find_aliases(Path(home), mounts) == [home, part]


def test_another_file_system_has_no_name_of_it(top: Path) -> None:
    home, _ = folders(top, "home", "other")
    mounts = table(("8:1", "/", "/"), ("8:2", home, f"{top}/other"))

    assert find_aliases(Path(home), mounts) == [home]


def test_a_home_that_is_a_mount_of_its_own(top: Path) -> None:
    home, second = folders(top, "home", "a second")
    point = f"{top}/a\\040second"
    mounts = table(("8:1", "/", "/"), ("8:3", "/sub", home), ("8:3", "/sub", point))

    assert find_aliases(Path(home), mounts) == [second, home]


def test_the_table_of_this_machine_is_understood(top: Path) -> None:
    mounts = Path("/proc/self/mountinfo").read_text("utf-8")

    assert str(top) in find_aliases(top, mounts)


def test_a_link_to_the_folder_is_followed(top: Path) -> None:
    (home,) = folders(top, "home")
    (top / "link").symlink_to(home)

    assert find_aliases(top / "link", table(("8:1", "/", "/"))) == [home]


def test_files_that_others_may_not_read_are_found(top: Path) -> None:
    folders(top, "open", "closed", "passage/deep")
    for name, mode in (("a", 0o644), ("key", 0o640), ("passage/deep/key", 0o600)):
        (top / name).write_text("")
        (top / name).chmod(mode)
    (top / "closed").chmod(0o750)
    (top / "passage").chmod(0o711)
    (top / "link").symlink_to("key")

    found = private_files([str(top), str(top / "none")])

    assert found == [f"{top}/{name}" for name in ("closed", "key", "passage/deep/key")]


def test_private_files_are_cached_for_other_processes(top: Path) -> None:
    (key,) = (top / "tree/key",)
    key.parent.mkdir()
    key.write_text("")
    key.chmod(0o600)
    first = PrivateFiles([str(top / "tree")], top / "cache")
    assert first.paths() == (str(key),)

    key.chmod(0o644)
    second = PrivateFiles([str(top / "tree")], top / "cache")

    assert second.paths() == (str(key),)
    assert (top / "cache").stat().st_mode & 0o777 == 0o600


def test_a_tree_is_not_searched_again_for_those_who_show_another_one_too(
    top: Path,
) -> None:
    for name in ("tree", "programs"):
        (top / name).mkdir()
        (top / name / "key").touch(0o600)
    alone, both = [str(top / "tree")], [str(top / "tree"), str(top / "programs")]
    PrivateFiles(alone, top / "cache").paths()
    (top / "tree/key").chmod(0o644)

    found = PrivateFiles(both, top / "cache").paths()
    again = PrivateFiles(alone, top / "cache").paths()

    assert found == (f"{top}/programs/key", f"{top}/tree/key")
    assert again == (f"{top}/tree/key",)


CACHES = {
    "of other folders": ('{"found": {"/x": {"at": 1e12, "paths": []}}}', 0o600),
    "too old": ('{"found": {"%s": {"at": 0, "paths": []}}}', 0o600),
    "not JSON": ("{", 0o600),
    "of another form": ('{"found": {"%s": []}}', 0o600),
    "that others may write": ('{"found": {"%s": {"at": 1e12, "paths": []}}}', 0o666),
}


@pytest.mark.parametrize(("text", "mode"), CACHES.values(), ids=CACHES)
def test_a_cache_is_not_believed(top: Path, text: str, mode: int) -> None:
    (top / "tree").mkdir()
    (top / "tree/key").touch(0o600)
    (top / "cache").write_text(text.replace("%s", str(top / "tree")))
    (top / "cache").chmod(mode)

    assert PrivateFiles([str(top / "tree")], top / "cache").paths()


def test_a_cache_that_cannot_be_written_does_not_matter(top: Path) -> None:
    (top / "tree").mkdir()

    assert PrivateFiles([str(top / "tree")], top / "no/cache").paths() == ()
    assert not os.path.lexists(top / "no")
