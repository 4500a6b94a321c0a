"""Opens TLS that trusts the authorities which the machine's operator names."""

import ssl
from functools import partial
from pathlib import Path

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
    # On the context, since neither urllib3 nor a pool of others asks who wraps.
    strict = partial(context.wrap_socket, suppress_ragged_eofs=False)
    context.wrap_socket = strict  # type: ignore[method-assign]  # not a setting of it
    return context
