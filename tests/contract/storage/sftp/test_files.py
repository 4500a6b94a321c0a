"""SFTP: files, and servers that do not do as they should."""

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from contract.storage.conftest import sftp_storage
from contract.storage.places import Place
from contract.storage.sftp.conftest import SHORT, Serve
from servers.sftp import USER, SftpFiles, SftpKind, sftp_server
from tesk_filer.ports import ChangedError, Part, StorageError


def test_a_path_may_begin_at_the_login(
    sftp: Place, server: SftpFiles, folder: Path
) -> None:
    url = f"{server.url_with_password}/~/in/a"

    sftp.put(url, b"content")

    assert (folder / "in/a").read_bytes() == b"content"
    assert sftp.get(url) == b"content"
    assert [entry.name for entry in sftp.walk(f"{server.url_with_password}/~")] == [
        "in/a"
    ]


def test_files_that_are_executable_stay_so(sftp: Place, folder: Path) -> None:
    sftp.put(sftp.url + "/run", b"#!", executable=True)
    sftp.put(sftp.url + "/text", b"x")

    assert (folder / "run").stat().st_mode & 0o100
    assert not (folder / "text").stat().st_mode & 0o111
    with sftp.open(sftp.url + "/run") as reader:
        assert reader.executable
    with sftp.open(sftp.url + "/text", known=sftp.stat(sftp.url + "/text")) as reader:
        assert not reader.executable


def test_names_need_not_be_utf_8(sftp: Place, folder: Path) -> None:
    name = b"caf\xe9\nx"
    (folder / "d").mkdir()
    path = Path(os.fsdecode(bytes(folder / "d") + b"/" + name))
    path.write_bytes(b"content")

    (entry,) = sftp.walk(sftp.url + "/d")

    assert os.fsencode(entry.name) == name
    assert sftp.get(sftp.at("d").below(entry.name)) == b"content"


def test_a_link_that_goes_round_is_left_out(sftp: Place, folder: Path) -> None:
    (folder / "d/sub").mkdir(parents=True)
    for name in ("d/file", "d/sub/g"):
        (folder / name).write_text("x")
    (folder / "d/self").symlink_to(".")
    (folder / "d/sub/up").symlink_to("..")
    (folder / "d/twice").symlink_to("sub")
    (folder / "d/other").symlink_to("file")
    (folder / "d/nowhere").symlink_to("none")
    os.mkfifo(folder / "d/pipe")

    pages = list(sftp.pages(sftp.url + "/d"))

    names = [entry.name for page in pages for entry in page.entries]
    notes = [note for page in pages for note in page.notes]
    assert sorted(names) == ["file", "other", "sub/g", "twice/g"]
    assert sorted(notes) == [
        "nowhere is a link to nothing, left out",
        "pipe is not a regular file, left out",
        *(
            f"{name} is a symlink cycle, left out"
            for name in ("self", "sub/up", "twice/up")
        ),
    ]


def test_a_link_to_what_may_not_be_read_is_not_left_out(
    folder: Path, serve: Serve
) -> None:
    (folder / "d").mkdir()
    (folder / "d/ref.fa").symlink_to("/secure/ref.fa")

    with (
        serve(SftpKind(guards=frozenset({b"ref.fa"}))) as place,
        pytest.raises(StorageError, match=r"holds ref\.fa, .* denied") as caught,
    ):
        place.list(place.at("d"))

    assert not caught.value.transient


def test_what_a_listing_told_is_not_asked_again(sftp: Place, server: SftpFiles) -> None:
    sftp.put(sftp.url + "/d/a", b"content")
    (entry,) = sftp.walk(sftp.url + "/d")
    server.calls.clear()

    assert sftp.get(sftp.url + "/d/a", known=entry) == b"content"

    assert "stat" not in server.calls


def test_a_file_that_gets_shorter_while_it_is_read_has_changed(
    folder: Path, serve: Serve
) -> None:
    (folder / "a").write_bytes(bytes(200_000))
    with serve(SftpKind(shrinks=True)) as place, pytest.raises(ChangedError):
        place.get(place.at("a"))


def test_a_file_that_is_written_while_it_is_read_has_changed(
    sftp: Place, folder: Path
) -> None:
    (folder / "a").write_bytes(bytes(100_000))
    os.utime(folder / "a", (1, 1))

    with sftp.open(sftp.url + "/a") as reader:
        reader.read(10)
        os.utime(folder / "a", (2, 2))
        with pytest.raises(ChangedError):
            reader.read(1_000_000)


def test_a_full_disk_is_told_and_leaves_nothing(folder: Path, serve: Serve) -> None:
    moved: list[int] = []
    with (
        serve(SftpKind(disk=1_000_000)) as place,
        pytest.raises(StorageError, match="quota may be full") as caught,
    ):
        place.put(place.at("d/a"), bytes(3_000_000), advance=moved.append)

    assert not caught.value.transient
    assert sum(moved) <= 1_000_000
    assert list((folder / "d").iterdir()) == []


def test_a_server_that_stalls_is_given_up(folder: Path, serve: Serve) -> None:
    (folder / "a").write_bytes(b"content")
    with (
        serve(SftpKind(stalls=True), SHORT) as place,
        pytest.raises(StorageError, match="no answer in time") as caught,
    ):
        place.get(place.at("a"))

    assert caught.value.transient


def test_a_server_that_never_starts_sftp_is_given_up_by_each_thread(
    serve: Serve,
) -> None:
    def message(name: str) -> str:
        with pytest.raises(StorageError) as caught:
            place.stat(place.at(name))
        assert caught.value.transient
        return caught.value.message

    with ThreadPoolExecutor(3) as threads, serve(SftpKind(mute=True), SHORT) as place:
        messages = list(threads.map(message, "abc", timeout=20))

    assert messages == ["no answer in time"] * 3


def test_a_server_that_takes_few_connections_serves_many_threads(
    folder: Path,
) -> None:
    with (
        sftp_server(folder, SftpKind(most=2)) as server,
        closing(sftp_storage(server)) as storage,
    ):
        place = Place(storage, f"{server.url_with_password}{folder}")

        def move(number: int) -> bytes:
            place.put(place.at(str(number)), b"x" * number)
            return place.get(place.at(str(number)))

        with ThreadPoolExecutor(8) as threads:
            moved = list(threads.map(move, range(24)))

    assert moved == [b"x" * number for number in range(24)]
    assert server.most_opened <= 2


ODD = {
    "responses in another order than requests": SftpKind(jumbles=True),
    "small buffers": SftpKind(block=20_000),
    "no renames onto files": SftpKind(replaces=False),
}


@pytest.mark.parametrize("kind", ODD.values(), ids=ODD)
def test_a_server_may_have(folder: Path, serve: Serve, kind: SftpKind) -> None:
    content = os.urandom(5_000_003)
    with serve(kind) as place:
        place.put(place.at("d/a"), b"the first")

        place.put(place.at("d/a"), content)

        assert place.get(place.at("d/a")) == content
        part = place.get(place.at("d/a"), part=Part(70_001, 4_000_003))
        assert part == content[70_001:4_000_003]
    assert [path.name for path in (folder / "d").iterdir()] == ["a"]


def test_a_directory_stays_where_a_server_does_not_replace(
    folder: Path, serve: Serve
) -> None:
    (folder / "d").mkdir()
    (folder / "d" / "kept").write_bytes(b"x")
    with (
        serve(SftpKind(replaces=False)) as place,
        pytest.raises(StorageError, match="is a directory; end the url"),
    ):
        place.put(place.at("d"), b"y")

    assert [str(path.relative_to(folder)) for path in sorted(folder.rglob("*"))] == [
        "d",
        "d/kept",
    ]


def test_a_login_serves_many_files(sftp: Place, server: SftpFiles) -> None:
    for number in range(5):
        sftp.put(f"{sftp.url}/{number}", b"x")
        sftp.get(f"{sftp.url}/{number}")

    assert server.logins == [USER]


def test_a_file_in_the_way_of_a_directory_is_told(sftp: Place, folder: Path) -> None:
    (folder / "a").write_bytes(b"x")

    with pytest.raises(StorageError) as caught:
        sftp.put(sftp.url + "/a/b", b"y")

    assert not caught.value.transient
    assert (folder / "a").read_bytes() == b"x"


def test_a_directory_opened_as_a_file_names_the_cure(sftp: Place, folder: Path) -> None:
    (folder / "d").mkdir()

    with pytest.raises(StorageError, match="type DIRECTORY"):
        sftp.get(sftp.url + "/d")
