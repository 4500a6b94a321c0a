"""Opens TLS that trusts the authorities which the machine's operator names."""

import socket
import ssl
from functools import partial
from pathlib import Path
from typing import Any

from tesk_filer.ports import StorageError


def open_client_tls(bundle: str) -> ssl.SSLContext:
    """Return a context for connections to servers.

    A connection that ends although TLS does not say so (close_notify) is an error for
    whoever reads it: anybody on the way can end it, and a body of HTTP without a length
    would end with it.

    Args:
        bundle: File, or folder as ``openssl rehash`` makes it, with the only authorities
            that are trusted; "": those of certifi.

    Raises:
        StorageError: ``bundle`` cannot be read.
    """
    if not bundle:
        import certifi  # noqa: PLC0415 - only for TLS

        bundle = certifi.where()
    try:
        if Path(bundle).is_dir():
            context = ssl.create_default_context(capath=bundle)
        else:
            context = ssl.create_default_context(cafile=bundle)
    except (OSError, ssl.SSLError) as error:
        message = (
            f"the certificates in {bundle} cannot be read; see AWS_CA_BUNDLE, "
            "REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE and SSL_CERT_FILE"
        )
        raise StorageError(message) from error
    # On the context, since who wraps is not asked by every library.
    strict = partial(context.wrap_socket, suppress_ragged_eofs=False)
    context.wrap_socket = strict  # type: ignore[method-assign]  # not a setting of it
    return context


def open_tls(context: ssl.SSLContext, peer: socket.socket, name: str) -> Any:
    """Begin TLS on a connection, which may be by TLS itself.

    Args:
        context: Of ``open_client_tls``.
        peer: Connected, through a proxy by TLS if it is an ``SSLSocket``.
        name: Of the server.

    Returns:
        A socket, or what can be used as one.

    Raises:
        OSError: The handshake fails.
    """
    if not isinstance(peer, ssl.SSLSocket):
        return context.wrap_socket(peer, server_hostname=name)
    # Python wraps a socket once.
    from urllib3.util.ssltransport import SSLTransport  # noqa: PLC0415 - rarely needed

    return SSLTransport(peer, context, name, suppress_ragged_eofs=False)


def has_decrypted(peer: Any) -> bool:
    """Tell whether TLS has bytes that the socket does not show any more."""
    if isinstance(peer, ssl.SSLSocket):
        return peer.pending() > 0
    sslobj = getattr(peer, "sslobj", None)
    return sslobj is not None and sslobj.pending() > 0
