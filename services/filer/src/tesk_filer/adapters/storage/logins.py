"""Reads users and passwords by host from a file in the format of ``.netrc``.

Only a file that the operator names is read, never a ``.netrc`` of a home. Its
``default`` entry is not used: it would send a password to any host of a url.
"""

import netrc
from collections.abc import Mapping
from pathlib import Path

from tesk_filer.adapters.storage.watched_files import Reading
from tesk_filer.domain.credentials import Login

Logins = Mapping[str, Login]
"""User and password by host name, in lower case."""


def read_logins(path: str, reading: Reading) -> Logins:
    """Return the logins of a file, of which ``reading`` hears; none if it is "".

    Raises:
        ValueError: It cannot be read; the message quotes nothing of it.
    """
    if not path:
        return {}
    reading.watch(Path(path))
    setting = f"filer.netrc (NETRC): {path}"
    try:
        # Entries of this file only: no default, no macros.
        hosts = netrc.netrc(Path(path)).hosts
    except netrc.NetrcParseError as error:
        # Its message may hold a part of a password.
        msg = f"{setting} is not a netrc file; see its line {error.lineno}"
        raise ValueError(msg) from None
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{setting} cannot be read: {error}"
        raise ValueError(msg) from error
    return {
        host.lower(): Login(user=user or "", password=password or "")
        for host, (user, _, password) in hosts.items()
        if host != "default"
    }
