"""Private keys of SSH users.

paramiko takes some forms of PEM and not others (PKCS 8), so keys are first read by
cryptography, which it is built on.
"""

import io

import paramiko
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    load_ssh_private_key,
)

from tesk_filer.domain.credentials import PrivateKey
from tesk_filer.ports import StorageError

_OPENSSH = b"BEGIN OPENSSH PRIVATE KEY"


def read_private_key(given: PrivateKey) -> paramiko.PKey:
    """Return the key of a user.

    Raises:
        StorageError: It cannot be read; the message shows nothing of it.
    """
    data = given.key.strip().encode() + b"\n"
    passphrase = given.passphrase.encode() or None
    load = load_ssh_private_key if _OPENSSH in data else load_pem_private_key
    try:
        loaded = load(data, passphrase)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise _unusable(given.user) from error
    if isinstance(loaded, Ed25519PrivateKey):
        kind: type[paramiko.PKey] = paramiko.Ed25519Key
    elif isinstance(loaded, EllipticCurvePrivateKey):
        kind = paramiko.ECDSAKey
    elif isinstance(loaded, RSAPrivateKey):
        kind = paramiko.RSAKey
    else:
        raise _unusable(given.user)
    plain = loaded.private_bytes(
        Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()
    ).decode()
    return kind.from_private_key(io.StringIO(plain))


def _unusable(user: str) -> StorageError:
    return StorageError(
        f"the operator's private key for user {user} cannot be read; it must be RSA, "
        "ECDSA or Ed25519, in the form of OpenSSH or PEM, and its passphrase right"
    )
