"""Which authorities of TLS storages trust."""

import shutil
import ssl
from pathlib import Path

import pytest
from OpenSSL.crypto import FILETYPE_PEM, load_certificate

from files.certificates import Authority, Pair
from tesk_filer.adapters.storage.authorities import open_client_tls
from tesk_filer.ports import StorageError

HOST = "storage.example.org"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def shake_hands(trusting: ssl.SSLContext, server: Pair) -> None:
    """Let a client connect to a server in memory."""
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(server.certificate, server.key)
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = trusting.wrap_bio(back, there, server_hostname=HOST)
    answering = serving.wrap_bio(there, back, server_side=True)
    for side in (client, answering, client):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue


def test_a_file_of_authorities_is_trusted(authority: Authority) -> None:
    shake_hands(open_client_tls(str(authority.certificate)), authority.issue(HOST))


def test_a_folder_of_authorities_is_trusted(
    authority: Authority, tmp_path: Path
) -> None:
    folder = tmp_path / "trusted"
    folder.mkdir()
    pem = authority.certificate.read_bytes()
    name = load_certificate(FILETYPE_PEM, pem).subject_name_hash()
    shutil.copy(authority.certificate, folder / f"{name:08x}.0")

    shake_hands(open_client_tls(str(folder)), authority.issue(HOST))


def test_no_other_authority_is_trusted(authority: Authority) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(open_client_tls(""), authority.issue(HOST))


def test_authorities_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    absent = tmp_path / "authorities.pem"

    with pytest.raises(
        StorageError, match="cannot be read; see AWS_CA_BUNDLE"
    ) as caught:
        open_client_tls(str(absent))

    assert str(absent) in caught.value.message
    assert not caught.value.transient
