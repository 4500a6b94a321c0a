"""Keeps the logs of libraries out of those of the filer."""

import logging


def silence_libraries() -> None:
    """Silence the logs of libraries, which hold signed urls and keys."""
    for name in (
        *("azure", "boto3", "botocore", "google", "msal", "requests"),
        *("s3transfer", "smart_open", "urllib3"),
    ):
        logging.getLogger(name).setLevel(logging.WARNING)
    # It logs each connection that breaks, with a traceback; the error says so, too.
    logging.getLogger("paramiko").setLevel(logging.CRITICAL)
