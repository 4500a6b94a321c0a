"""Reads credentials from the environment or a netrc file, never from the arguments.

Everybody on a machine can read the arguments of a process.
"""

import netrc
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from tesk_model.errors import InvalidRequestError, Violation


def read_credentials(server: str, environ: Mapping[str, str]) -> httpx.Auth | None:
    """Return the credentials for ``server``, or None to ask without.

    ``TESK_USER`` and ``TESK_PASSWORD`` come first, then the netrc file that
    ``NETRC`` names, then ``~/.netrc``.

    Raises:
        InvalidRequestError: The netrc file cannot be read.
    """
    if environ.get("TESK_USER"):
        return httpx.BasicAuth(environ["TESK_USER"], environ.get("TESK_PASSWORD", ""))
    named = environ.get("NETRC", "")
    path = Path(named) if named else Path(environ.get("HOME", "/")) / ".netrc"
    if not named and not path.is_file():
        return None
    try:
        entry = netrc.netrc(str(path)).authenticators(urlsplit(server).hostname or "")
    except (OSError, netrc.NetrcParseError, UnicodeDecodeError) as error:
        # The text of the error may quote the file: report only where it is.
        problem = f"cannot read {path} ({type(error).__name__})"
        raise InvalidRequestError([Violation("NETRC", problem)]) from error
    if entry is None:
        return None
    user, _, password = entry
    return httpx.BasicAuth(user, password)
