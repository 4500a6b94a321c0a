"""``tesk storage put`` as a user types it."""

import os
from pathlib import Path

import pytest

from clients.storage_terminal import StorageTerminal
from tesk_model.errors import NotFoundError


@pytest.fixture
def terminal(tmp_path: Path) -> StorageTerminal:
    return StorageTerminal(tmp_path)


NAMES = ["plain", "a*[b]?{c,d}", "back\\slash", "a b%20+#"]


@pytest.mark.parametrize("name", NAMES)
def test_put_uploads_a_file_of_any_name(terminal: StorageTerminal, name: str) -> None:
    (terminal.root / name).write_bytes(b"out")

    named = terminal.run("put", str(terminal.root / name), "s3://b/new")
    below = terminal.run("put", str(terminal.root / name), "s3://b/dir/")

    assert (named.exit_code, below.exit_code) == (0, 0), named.stderr + below.stderr
    assert terminal.s3.files["s3://b/new"] == b"out"
    assert terminal.s3.files[f"s3://b/dir/{name}"] == b"out"


def test_put_refuses_a_name_that_no_pattern_can_write(
    terminal: StorageTerminal,
) -> None:
    (terminal.root / "a\\*").write_bytes(b"out")

    result = terminal.run("put", str(terminal.root / "a\\*"), "s3://b/new")

    assert "rename it" in str(result.exception)


def test_put_writes_names_as_the_scheme_does(terminal: StorageTerminal) -> None:
    (terminal.root / "a b%").write_bytes(b"out")

    terminal.run("put", str(terminal.root / "a b%"), f"file://{terminal.root}/t/")

    assert (terminal.root / "t/a b%").read_bytes() == b"out"


@pytest.mark.parametrize("slash", ["", "/."])
def test_put_of_a_link_takes_the_name_that_was_given(
    terminal: StorageTerminal, slash: str
) -> None:
    (terminal.root / "run-17.html").write_bytes(b"out")
    (terminal.root / "latest.html").symlink_to("run-17.html")
    (terminal.root / "link.html").symlink_to("latest.html")

    result = terminal.run("put", f"{terminal.root}/link.html{slash}", "s3://b/dir/")

    assert result.exit_code == 0, result.stderr
    assert terminal.s3.files["s3://b/dir/link.html"] == b"out"


def test_put_takes_a_name_that_is_not_utf_8(terminal: StorageTerminal) -> None:
    name = os.fsdecode(b"a\xff")
    (terminal.root / name).write_bytes(b"out")

    result = terminal.run(
        "put", f"{terminal.root}/{name}", f"file://{terminal.root}/t/"
    )

    assert result.exit_code == 0, result.stderr
    assert (terminal.root / "t" / name).read_bytes() == b"out"


def test_put_refuses_a_name_that_the_scheme_does_not_take(
    terminal: StorageTerminal,
) -> None:
    (terminal.root / "a\nb").write_bytes(b"out")

    result = terminal.run("put", f"{terminal.root}/a\nb", "ftp://host/t/")

    assert "URL: must not contain line ends" in str(result.exception)


def test_put_uploads_what_is_in_a_folder(terminal: StorageTerminal) -> None:
    (terminal.root / "f/g").mkdir(parents=True)
    (terminal.root / "f/g/x").write_bytes(b"out")

    refused = terminal.run("put", f"{terminal.root}/f", "s3://b/up")
    result = terminal.run("put", "-r", f"{terminal.root}/f", "s3://b/up")

    assert "give --recursive" in str(refused.exception)
    assert result.exit_code == 0, result.stderr
    assert terminal.s3.files["s3://b/up/g/x"] == b"out"


def test_put_of_nothing_is_not_found(terminal: StorageTerminal) -> None:
    result = terminal.run("put", f"{terminal.root}/no", "s3://b/new")

    assert isinstance(result.exception, NotFoundError)
