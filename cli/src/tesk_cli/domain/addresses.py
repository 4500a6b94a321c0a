"""Finds the base url of a TES API from what a user typed.

People write ``http://host``, ``http://host/v1`` or the full base of the
specification; all three mean the same server.
"""

from urllib.parse import urlsplit

from tesk_model.errors import InvalidRequestError, Violation

_BASES = ("/ga4gh/tes/v1", "/v1")


def candidate_bases(address: str) -> tuple[str, ...]:
    """Return the urls at which the API may lie, the likeliest first.

    Args:
        address: Url of a server, with or without the base path.

    Returns:
        Urls without trailing slash; one alone if ``address`` names the base.

    Raises:
        InvalidRequestError: ``address`` is not an http(s) url.
    """
    parts = urlsplit(address)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        problem = f"{address!r} is not the address of a server; write http://host:port"
        raise InvalidRequestError([Violation("--server", problem)])
    if parts.username or parts.password:
        problem = "give credentials by TESK_USER and TESK_PASSWORD, not in the url"
        raise InvalidRequestError([Violation("--server", problem)])
    plain = address.rstrip("/").removesuffix("/tasks")
    if plain.endswith(_BASES):
        return (plain,)
    return tuple(plain + base for base in _BASES)


def server_root(base: str) -> str:
    """Return the url above the base path of the API, without trailing slash."""
    for suffix in _BASES:
        if base.endswith(suffix):
            return base.removesuffix(suffix)
    return base
