"""Files of users and groups are read, or refused with the wrong line."""

from pathlib import Path

import pytest

from tesk_api.adapters.user_files import AccessFiles, UserFiles


@pytest.fixture
def files(tmp_path: Path) -> AccessFiles:
    users, groups = tmp_path / "users", tmp_path / "groups"
    users.write_text("bob:$2y$05$" + "a" * 53 + "\n")
    groups.write_text("lab: bob\n")
    return AccessFiles(users=users, groups=groups, admin_group="operators")


def test_a_name_that_does_not_exist_takes_as_long_as_one_that_does(
    files: AccessFiles,
) -> None:
    users = [
        f"u{cost}-{number}:$2y${cost:02}$" + "a" * 53 + "\n"
        for cost in (5, 10)
        for number in range(4)
    ]
    files.users.write_text("".join(users))
    directory, other = UserFiles(files).current(), UserFiles(files).current()
    names = [f"unknown-{number}" for number in range(200)]
    costs = [directory.hash_for(name)[4:6] for name in names]

    assert set(costs) == {"05", "10"}
    assert costs == [other.hash_for(name)[4:6] for name in names]
    assert directory.hash_for("u5-1") == directory.hashes["u5-1"]


BROKEN = {
    "a hash of another kind": ("users", "bob:{SHA}x\n", "line 1: must read name:$2y$"),
    "half a hash": ("users", "bob:$2y$05$abc\n", "line 1: must read name:$2y$"),
    "a line without name": ("users", "# a\n:$2y$x\n", "line 2: must read name:$2y$"),
    "a group without colon": ("groups", "lab alice\n", "line 1: must read group:"),
}


@pytest.mark.parametrize(("name", "text", "want"), BROKEN.values(), ids=BROKEN)
def test_a_broken_file_stops_the_start(
    files: AccessFiles, name: str, text: str, want: str
) -> None:
    (files.users.parent / name).write_text(text)

    with pytest.raises(ValueError, match=want.replace("$", r"\$")):
        UserFiles(files)


def test_a_missing_file_stops_the_start(files: AccessFiles) -> None:
    files.users.unlink()

    with pytest.raises(ValueError, match="cannot read"):
        UserFiles(files)
