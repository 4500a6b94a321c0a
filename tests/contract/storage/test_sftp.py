"""SFTP: host keys, logins, and servers that do not do as they should."""

import base64
import hmac
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import asyncssh
import pytest

from contract.storage.conftest import OneCredential, sftp_storage
from contract.storage.places import OPEN_EGRESS, Place, write_to
from servers.sftp import PASSWORD, USER, SftpFiles, SftpKind, sftp_server
from tesk_filer.adapters.storage.setting_credentials import SettingCredentials
from tesk_filer.adapters.storage.sftp import SftpStorage
from tesk_filer.adapters.storage.sftp_batch_reading import SMALL
from tesk_filer.adapters.storage.storage_config import Timeouts
from tesk_filer.domain.credentials import Credential, Login, PrivateKey
from tesk_filer.ports import ChangedError, Part, Reader, StorageError
from tesk_filer.ports.batches import NotBatchedError

SHORT = Timeouts(connect=timedelta(seconds=2), stall=timedelta(seconds=0.5))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    served = tmp_path / "served"
    served.mkdir()
    return served


@pytest.fixture
def server(folder: Path) -> Iterator[SftpFiles]:
    with sftp_server(folder) as files:
        yield files


@pytest.fixture
def sftp(server: SftpFiles) -> Iterator[Place]:
    storage = sftp_storage(server)
    yield Place(storage, f"{server.url_with_password}{server.folder}")
    storage.close()


def impatient_storage(server: SftpFiles) -> SftpStorage:
    """Return a storage that soon gives up on a server."""
    return SftpStorage(
        SHORT,
        egress=OPEN_EGRESS,
        credentials=SettingCredentials(),
        known_hosts=str(server.known_hosts),
    )


def refused(place: Place, url: str) -> StorageError:
    with pytest.raises(StorageError) as caught:
        place.get(url)
    assert not caught.value.transient
    assert PASSWORD not in caught.value.message
    return caught.value


def test_a_server_that_is_not_known_is_refused_and_named_for_the_file(
    sftp: Place, server: SftpFiles
) -> None:
    server.known_hosts.write_text("elsewhere.example.org " + server.host_key)

    error = refused(sftp, sftp.url + "/a")

    line = f'"[127.0.0.1]:{server.port} {server.host_key}"'
    assert line in error.message
    assert "filer.known_hosts" in error.message
    assert server.tries == []


def test_a_server_with_another_key_is_refused(sftp: Place, server: SftpFiles) -> None:
    other = asyncssh.generate_private_key("ssh-ed25519")
    public = other.export_public_key("openssh").decode()
    server.known_hosts.write_text(f"[127.0.0.1]:{server.port} {public}")

    error = refused(sftp, sftp.url + "/a")

    assert "is not the known one, and someone may stand in between" in error.message
    assert server.tries == []


def test_a_revoked_key_is_refused(sftp: Place, server: SftpFiles) -> None:
    line = f"[127.0.0.1]:{server.port} {server.host_key}\n"
    server.known_hosts.write_text(line + "@revoked * " + server.host_key)

    assert "is revoked" in refused(sftp, sftp.url + "/a").message
    assert server.tries == []


def test_without_a_file_no_server_is_known(server: SftpFiles) -> None:
    storage = SftpStorage(
        SHORT, egress=OPEN_EGRESS, credentials=SettingCredentials(), known_hosts=""
    )

    error = refused(Place(storage, ""), server.url_with_password + "/a")

    assert "is not known" in error.message


def test_a_file_that_cannot_be_read_is_named(server: SftpFiles, tmp_path: Path) -> None:
    storage = SftpStorage(
        SHORT,
        egress=OPEN_EGRESS,
        credentials=SettingCredentials(),
        known_hosts=str(tmp_path / "none"),
    )

    with pytest.raises(StorageError, match=r"filer\.known_hosts cannot be read"):
        Place(storage, "").get(server.url_with_password + "/a")


KNOWN = {
    "by name": "[127.0.0.1]:{port} {key}",
    "after other lines": "# c\n\nx ssh-ed25519 broken\nx ssh-new AAAA\n[127.0.0.1]:{port} {key}",
    "by a pattern": "[127.0.*]:* {key} comment",
    "one of several names": "a.example.org,[127.0.0.1]:{port} {key}",
}


@pytest.mark.parametrize("lines", KNOWN.values(), ids=KNOWN)
def test_a_server_is_known(sftp: Place, server: SftpFiles, lines: str) -> None:
    server.known_hosts.write_text(lines.format(port=server.port, key=server.host_key))

    assert sftp.stat(sftp.url + "/none") is None


def test_a_server_is_known_by_the_hash_of_its_name(
    sftp: Place, server: SftpFiles
) -> None:
    name = f"[127.0.0.1]:{server.port}"
    hashed = "|1|" + _hash_of(name)
    server.known_hosts.write_text(f"{hashed} {server.host_key}")

    assert sftp.stat(sftp.url + "/none") is None


def _hash_of(name: str) -> str:
    """Hash a name as ``ssh-keygen -H`` does: salt and HMAC-SHA-1."""
    salt = bytes(range(20))
    digest = hmac.digest(salt, name.encode(), "sha1")
    return "|".join(base64.b64encode(each).decode() for each in (salt, digest))


NOT_KNOWN = {
    "another port": "127.0.0.1 {key}",
    "excepted": "[127.0.0.1]:*,![127.0.0.1]:{port} {key}",
    "an authority": "@cert-authority [127.0.0.1]:{port} {key}",
    "a broken hash": "|1|x|y {key}",
}


@pytest.mark.parametrize("lines", NOT_KNOWN.values(), ids=NOT_KNOWN)
def test_a_server_is_not_known(sftp: Place, server: SftpFiles, lines: str) -> None:
    server.known_hosts.write_text(lines.format(port=server.port, key=server.host_key))

    assert "is not known" in refused(sftp, sftp.url + "/a").message


def test_a_wrong_password_is_refused_once_and_never_shown(
    server: SftpFiles,
) -> None:
    storage = sftp_storage(server)
    place = Place(storage, server.url.replace("://", "://ada:wr0ng@"))

    errors = {refused(place, place.url + f"/{name}").message for name in "abc"}

    assert errors == {"login refused for user ada; check the password"}
    assert server.tries == ["ada"]


@pytest.mark.parametrize("passphrase", ["", "open sesame"])
def test_a_key_logs_in(server: SftpFiles, folder: Path, passphrase: str) -> None:
    key = PrivateKey(
        user=USER,
        key=server.private_key(passphrase or None),
        passphrase=passphrase,
    )
    (folder / "a").write_bytes(b"content")
    storage = sftp_storage(server, OneCredential(key))

    assert Place(storage, "").get(f"{server.url}{folder}/a") == b"content"
    assert server.logins == [USER]
    storage.close()


def test_the_operator_s_password_logs_in(server: SftpFiles, folder: Path) -> None:
    (folder / "a").write_bytes(b"content")
    login = Login(user=USER, password=PASSWORD)
    storage = sftp_storage(server, OneCredential(login))

    assert Place(storage, "").get(f"{server.url}{folder}/a") == b"content"
    storage.close()


LOGINS = {
    "nobody": (None, "", "sftp needs a login; the operator gives it"),
    "a user without password": (None, "bob@", "neither password nor key for user bob"),
    "a key of nobody": (
        PrivateKey(user=USER, key="what?"),
        "",
        "private key for user ada cannot be read",
    ),
}


@pytest.mark.parametrize(("given", "user", "said"), LOGINS.values(), ids=LOGINS)
def test_who_cannot_log_in_is_told_what_is_missing(
    server: SftpFiles, given: Credential | None, user: str, said: str
) -> None:
    place = Place(sftp_storage(server, OneCredential(given)), "")

    error = refused(place, server.url.replace("://", f"://{user}") + "/a")

    assert said in error.message
    assert server.tries == []


def test_a_passphrase_that_is_wrong_is_told(server: SftpFiles) -> None:
    key = PrivateKey(
        user=USER,
        key=server.private_key("right"),
        passphrase="wrong",
    )

    error = refused(
        Place(sftp_storage(server, OneCredential(key)), ""), server.url + "/a"
    )

    assert "its passphrase right" in error.message


def test_a_server_that_takes_no_passwords_says_what_it_takes(folder: Path) -> None:
    with sftp_server(folder, SftpKind(passwords=False)) as server:
        place = Place(sftp_storage(server), "")

        error = refused(place, server.url_with_password + "/a")

    assert error.message == (
        "login refused for user ada: the server takes publickey alone"
    )


def test_a_server_without_sftp_is_told(folder: Path) -> None:
    with sftp_server(folder, SftpKind(sftp=False)) as server:
        place = Place(sftp_storage(server), "")

        error = refused(place, server.url_with_password + "/a")

    assert "offers no sftp to this user" in error.message


def test_a_refused_connection_is_transient(sftp: Place) -> None:
    with pytest.raises(StorageError, match="connection refused") as caught:
        sftp.get("sftp://ada:x@127.0.0.1:1/a")

    assert caught.value.transient


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


def test_what_a_listing_told_is_not_asked_again(sftp: Place, server: SftpFiles) -> None:
    sftp.put(sftp.url + "/d/a", b"content")
    (entry,) = sftp.walk(sftp.url + "/d")
    server.calls.clear()

    assert sftp.get(sftp.url + "/d/a", known=entry) == b"content"

    assert "stat" not in server.calls


def test_a_file_that_gets_shorter_while_it_is_read_has_changed(folder: Path) -> None:
    (folder / "a").write_bytes(bytes(200_000))
    with sftp_server(folder, SftpKind(shrinks=True)) as server:
        storage = sftp_storage(server)
        with pytest.raises(ChangedError):
            Place(storage, "").get(f"{server.url_with_password}{folder}/a")
        storage.close()


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


def test_a_full_disk_is_told_and_leaves_nothing(folder: Path) -> None:
    moved: list[int] = []
    with sftp_server(folder, SftpKind(disk=1_000_000)) as server:
        storage = sftp_storage(server)
        place = Place(storage, f"{server.url_with_password}{folder}")

        with pytest.raises(StorageError, match="quota may be full") as caught:
            place.put(place.at("d/a"), bytes(3_000_000), advance=moved.append)

        storage.close()
    assert not caught.value.transient
    assert sum(moved) <= 1_000_000
    assert list((folder / "d").iterdir()) == []


def test_a_server_that_stalls_is_given_up(folder: Path) -> None:
    (folder / "a").write_bytes(b"content")
    with sftp_server(folder, SftpKind(stalls=True)) as server:
        storage = impatient_storage(server)
        with pytest.raises(StorageError, match="no answer in time") as caught:
            Place(storage, "").get(f"{server.url_with_password}{folder}/a")
        storage.close()

    assert caught.value.transient


def test_a_server_that_takes_few_connections_serves_many_threads(
    folder: Path,
) -> None:
    with sftp_server(folder, SftpKind(most=2)) as server:
        storage = sftp_storage(server)
        place = Place(storage, f"{server.url_with_password}{folder}")

        def move(number: int) -> bytes:
            place.put(place.at(str(number)), b"x" * number)
            return place.get(place.at(str(number)))

        with ThreadPoolExecutor(8) as threads:
            moved = list(threads.map(move, range(24)))
        storage.close()

    assert moved == [b"x" * number for number in range(24)]
    assert server.most_opened <= 2


ODD = {
    "responses in another order than requests": SftpKind(jumbles=True),
    "small buffers": SftpKind(block=20_000),
    "no renames onto files": SftpKind(replaces=False),
}


@pytest.mark.parametrize("kind", ODD.values(), ids=ODD)
def test_a_server_may_have(folder: Path, kind: SftpKind) -> None:
    content = os.urandom(5_000_003)
    with sftp_server(folder, kind) as server:
        storage = sftp_storage(server)
        place = Place(storage, f"{server.url_with_password}{folder}")
        place.put(place.at("d/a"), b"the first")

        place.put(place.at("d/a"), content)

        assert place.get(place.at("d/a")) == content
        part = place.get(place.at("d/a"), part=Part(70_001, 4_000_003))
        assert part == content[70_001:4_000_003]
        storage.close()
    assert [path.name for path in (folder / "d").iterdir()] == ["a"]


def test_a_directory_stays_where_a_server_does_not_replace(folder: Path) -> None:
    (folder / "d").mkdir()
    (folder / "d" / "kept").write_bytes(b"x")
    with sftp_server(folder, SftpKind(replaces=False)) as server:
        storage = sftp_storage(server)
        place = Place(storage, f"{server.url_with_password}{folder}")

        with pytest.raises(StorageError, match="is a directory; end the url"):
            place.put(place.at("d"), b"y")

        storage.close()
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


def content_of(opening: AbstractContextManager[Reader]) -> bytes:
    with opening as reader:
        return reader.read(SMALL)


def test_a_batch_ends_where_the_server_stalls(folder: Path) -> None:
    for number in range(5):
        (folder / f"{number}").write_bytes(b"x")
    with sftp_server(folder, SftpKind(stalls=True)) as server:
        storage = impatient_storage(server)
        place = Place(storage, f"{server.url_with_password}{folder}")

        with closing(storage.open_all(place.listed())) as openings:
            first = next(openings)
            with pytest.raises(StorageError):
                content_of(first)
            with pytest.raises(StorageError):  # and not another wait for each file
                next(openings)
        storage.close()


def test_a_server_that_reads_less_at_once_gives_files_one_by_one(folder: Path) -> None:
    (folder / "large").write_bytes(b"x" * 200)
    (folder / "small").write_bytes(b"y" * 100)
    with sftp_server(folder, SftpKind(block=100)) as server:
        storage = sftp_storage(server)
        place = Place(storage, f"{server.url_with_password}{folder}")

        with closing(storage.open_all(place.listed())) as openings:
            with pytest.raises(NotBatchedError):
                content_of(next(openings))
            assert content_of(next(openings)) == b"y" * 100
        assert place.get(place.at("large")) == b"x" * 200
        storage.close()


def test_files_with_another_login_are_for_themselves(
    server: SftpFiles, folder: Path, sftp: Place
) -> None:
    for name in "abc":
        (folder / name).write_bytes(b"x")
    files = list(sftp.listed())
    location, known = files[1]
    files[1] = replace(location, password="wrong"), known
    storage = sftp.storage
    assert isinstance(storage, SftpStorage)

    with closing(storage.open_all(files)) as openings:
        assert content_of(next(openings)) == b"x"
        with pytest.raises(NotBatchedError):
            content_of(next(openings))
        assert content_of(next(openings)) == b"x"

    assert server.logins == [USER]


def test_a_full_disk_ends_a_batch_and_leaves_nothing(folder: Path) -> None:
    with sftp_server(folder, SftpKind(disk=50)) as server:
        storage = sftp_storage(server)
        url = f"{server.url_with_password}{folder}/new/folder"

        with storage.batch() as batch:
            for size in (10, 100, 20):
                write_to(batch, f"{url}/{size}", b"x" * size)
            with pytest.raises(StorageError):
                batch.commit()
        storage.close()

    assert [path for path in folder.rglob("*") if path.is_file()] == []
