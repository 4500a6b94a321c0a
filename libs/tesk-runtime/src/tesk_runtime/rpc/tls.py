"""TLS between the services.

The scheduler has a certificate, which its clients verify; clients are authenticated by
the token that every call carries, with TLS or without.
"""

import re
import ssl
from collections.abc import Sequence
from pathlib import Path

import grpc

from tesk_runtime.sections import GrpcSettings, read_tls_ca

_CERTIFICATE = "grpc.tls_certificate (TESK_GRPC_TLS_CERTIFICATE)"
_KEY = "grpc.tls_key (TESK_GRPC_TLS_KEY)"
_CA = "grpc.tls_ca (TESK_GRPC_TLS_CA)"

# Messages of gRPC and OpenSSL about a failed handshake, and their meaning here.
_MEANINGS = (
    (
        re.compile("CERTIFICATE_VERIFY_FAILED|certificate signature failure"),
        f"its certificate is not signed by the authority in {_CA}, or has expired",
    ),
    (
        re.compile("Hostname Verification Check failed"),
        "its certificate is for another host than TESK_GRPC_SCHEDULER names",
    ),
    (
        re.compile("WRONG_VERSION_NUMBER"),
        f"it does not speak TLS; unset {_CA} here, or set {_CERTIFICATE} there",
    ),
    (
        re.compile("(failed to connect|all backends failing).*Socket closed"),
        f"it closed the connection; if it speaks TLS, set {_CA} here",
    ),
)


def server_credentials(settings: GrpcSettings) -> grpc.ServerCredentials | None:
    """Return the certificate of a server; None: it serves without TLS.

    The files are checked for changes at each connection, so that a certificate that
    is renewed needs no restart.

    Raises:
        ValueError: The files do not form a pair; names the setting.
    """
    if not settings.tls_certificate and not settings.tls_key:
        return None
    for setting, path in (
        (_CERTIFICATE, settings.tls_certificate),
        (_KEY, settings.tls_key),
    ):
        if not path:
            msg = f"{setting}: must be set, for the other half of the pair is"
            raise ValueError(msg)
    pair = _Pair(Path(settings.tls_certificate), Path(settings.tls_key))
    return grpc.dynamic_ssl_server_credentials(
        pair.configuration(),
        pair.renewal,  # type: ignore[arg-type]  # None means unchanged, gRPC says
    )


def channel_credentials(settings: GrpcSettings) -> grpc.ChannelCredentials | None:
    """Return how a client verifies a server; None: it connects without TLS.

    The file is read once: a new authority needs a restart.

    Raises:
        ValueError: The file cannot be read or holds no certificate.
    """
    authority = read_tls_ca(settings)
    if not authority:
        return None
    return grpc.ssl_channel_credentials(root_certificates=authority)


def explain_handshake(details: str) -> str:
    """Return why a connection failed, if TLS is the cause; else ``details``."""
    for pattern, meaning in _MEANINGS:
        if pattern.search(details):
            return f"the scheduler cannot be reached: {meaning} ({details})"
    return details


class _Pair:
    """A certificate chain and its key, in two files that change together."""

    def __init__(self, certificate: Path, key: Path) -> None:
        """Read both.

        Raises:
            ValueError: They do not form a pair; names the settings.
        """
        self._certificate = certificate
        self._key = key
        try:
            self._stamp = self._read_stamp()
            self._content = self._read()
        except (OSError, ValueError) as error:  # ssl's own errors are OSErrors
            msg = f"{_CERTIFICATE} and {_KEY}: cannot be used: {error}"
            raise ValueError(msg) from error

    def configuration(self) -> grpc.ServerCertificateConfiguration:
        """Return the certificate that was read last."""
        return grpc.ssl_server_certificate_configuration([self._content])

    def renewal(self) -> grpc.ServerCertificateConfiguration | None:
        """Return the certificate if it has changed; called at each connection."""
        try:
            stamp = self._read_stamp()
            if stamp == self._stamp:
                return None
            content = self._read()
            if self._read_stamp() != stamp:
                return None  # replaced meanwhile: the next connection reads it
        except (OSError, ValueError):
            return None  # being replaced: the old pair still serves
        self._stamp, self._content = stamp, content
        return self.configuration()

    def _read_stamp(self) -> Sequence[tuple[int, int, int]]:
        found = (path.stat() for path in (self._certificate, self._key))
        return [(each.st_ino, each.st_mtime_ns, each.st_size) for each in found]

    def _read(self) -> tuple[bytes, bytes]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._certificate, self._key, _refuse_password)
        return self._key.read_bytes(), self._certificate.read_bytes()


def _refuse_password() -> str:
    raise ValueError("the key is locked by a password")
