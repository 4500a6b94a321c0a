"""Opens TLS that trusts the authorities which the machine's operator names."""

import ssl
from pathlib import Path

from tesk_filer.ports import StorageError


def open_client_tls(bundle: str) -> ssl.SSLContext:
    """Return a context for connections to servers.

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
            return ssl.create_default_context(capath=bundle)
        return ssl.create_default_context(cafile=bundle)
    except (OSError, ssl.SSLError) as error:
        message = (
            f"the certificates in {bundle} cannot be read; see AWS_CA_BUNDLE, "
            "REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE and SSL_CERT_FILE"
        )
        raise StorageError(message) from error
