"""Users and passwords by host, from a file in the form of ``.netrc``.

Only a file that the operator names is read: a ``.netrc`` that happens to lie
in a home is not the tasks'. Its ``default`` entry is not used, for it would
hand a password to every host that a url may name.
"""

import netrc
from collections.abc import Mapping
from pathlib import Path

Logins = Mapping[str, tuple[str, str]]
"""User and password by host name, in lower case."""


def read_logins(path: str) -> Logins:
    """Return what the file holds; nothing if ``path`` is empty.

    Raises:
        ValueError: It cannot be read; the message shows nothing of it.
    """
    if not path:
        return {}
    setting = f"filer.netrc (NETRC): {path}"
    try:
        # It takes only the entries of the file itself: no default, no macros.
        hosts = netrc.netrc(Path(path)).hosts
    except netrc.NetrcParseError as error:
        # Its words may be a part of a password.
        msg = f"{setting} is no netrc file; see its line {error.lineno}"
        raise ValueError(msg) from None
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{setting} cannot be read: {error}"
        raise ValueError(msg) from error
    return {
        host.lower(): (user or "", password or "")
        for host, (user, _, password) in hosts.items()
        if host != "default"
    }


def login_for(
    logins: Logins, host: str, user: str | None, password: str | None
) -> tuple[str, str] | None:
    """Return user and password for ``host``; None if there are none.

    What the url says comes first; the file adds a password to the user of a
    url only if it is that user's.
    """
    known = logins.get(host.lower())
    if user is None:
        return known
    if password is None and known is not None and known[0] == user:
        return known
    return user, password or ""
