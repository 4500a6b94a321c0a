"""SFTP: host keys and logins."""

import base64
import hmac
from pathlib import Path

import asyncssh
import pytest

from contract.storage.conftest import OneCredential, sftp_storage
from contract.storage.places import OPEN_EGRESS, Place
from contract.storage.sftp.conftest import SHORT
from servers.sftp import PASSWORD, USER, SftpFiles, SftpKind, sftp_server
from tesk_filer.adapters.storage.setting_credentials import SettingCredentials
from tesk_filer.adapters.storage.sftp import SftpStorage
from tesk_filer.domain.credentials import Credential, Login, PrivateKey
from tesk_filer.ports import StorageError


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


@pytest.mark.parametrize("blank", [" ", "\t", " \t "])
def test_a_revoked_key_is_refused(sftp: Place, server: SftpFiles, blank: str) -> None:
    line = f"[127.0.0.1]:{server.port} {server.host_key}\n"
    revoked = f"{blank}@revoked{blank}*{blank}{server.host_key}"
    server.known_hosts.write_text(line + revoked)

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
