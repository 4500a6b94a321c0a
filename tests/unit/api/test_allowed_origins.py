import pytest

from tesk_api.domain.allowed_origins import AllowedOrigins
from tesk_model.errors import PermissionDeniedError

OWN = AllowedOrigins(loopback=True)
NAMED = AllowedOrigins(loopback=False, allowed_hosts=("tes.example.org", "*.svc"))
OPEN = AllowedOrigins()
PAGES = AllowedOrigins(origins=("https://portal.example", "http://other.example:81"))

HOSTS = {
    "own name": (OWN, "localhost:8080", True),
    "own name, fully": (OWN, "localhost.", True),
    "own address": (OWN, "127.0.0.1:80", True),
    "own address in IPv6": (OWN, "[::1]:80", True),
    "none, as in HTTP/1.0": (OWN, "", True),
    "rebound": (OWN, "evil.example:8080", False),
    "looks like ours": (OWN, "127.0.0.1.evil.example", False),
    "begins like ours": (OWN, "localhost@evil.example", False),
    "another machine's address": (OWN, "192.168.0.7:8080", False),
    "added to loopback": (
        AllowedOrigins(loopback=True, allowed_hosts=("tes.example.org",)),
        "TES.example.org",
        True,
    ),
    "configured": (NAMED, "tes.example.org:443", True),
    "below a configured one": (NAMED, "tesk-api.tesk.svc", True),
    "the wildcard's own root": (NAMED, "svc", False),
    "ends like a configured one": (NAMED, "evil-tes.example.org", False),
    "address of a pod": (NAMED, "10.1.2.3:8080", True),
    "a tunnel": (NAMED, "localhost:9000", True),
    "not configured": (NAMED, "evil.example", False),
    "any, where none is configured": (OPEN, "evil.example", True),
}


@pytest.mark.parametrize(("allowed", "authority", "want"), HOSTS.values(), ids=HOSTS)
def test_host_names_are_accepted_or_refused(
    allowed: AllowedOrigins, authority: str, want: bool
) -> None:
    if want:
        allowed.check_host(authority)
        return
    with pytest.raises(PermissionDeniedError, match="TESK_API_ALLOWED_HOSTS"):
        allowed.check_host(authority)


# Sec-Fetch-Site, Origin, Host
SENDERS = {
    "a program": (OPEN, "", "", "h", True),
    "own page": (OPEN, "same-origin", "https://h", "h", True),
    "own page behind a proxy that renames": (
        OPEN,
        "same-origin",
        "https://tes",
        "inside:8080",
        True,
    ),
    "the user": (OPEN, "none", "", "h", True),
    "own page, old browser": (OPEN, "", "http://h:8080", "h:8080", True),
    "own page, old browser, TLS ends before": (OPEN, "", "https://h", "h:443", True),
    "neighbour": (OPEN, "same-site", "http://h:3000", "h:8080", False),
    "neighbour, old browser": (OPEN, "", "http://h:3000", "h:8080", False),
    "foreign": (OPEN, "cross-site", "https://evil", "h", False),
    "foreign, by our name": (OPEN, "cross-site", "http://h", "h", False),
    "foreign, nameless": (OPEN, "cross-site", "", "h", False),
    "foreign, sandboxed": (OPEN, "cross-site", "null", "h", False),
    "old and sandboxed": (OPEN, "", "null", "h", False),
    "unheard of": (OPEN, "new-word", "", "h", False),
    "allowed": (PAGES, "cross-site", "https://portal.example", "h", True),
    "allowed, shouted": (PAGES, "cross-site", "HTTPS://Portal.example", "h", True),
    "allowed name, other port": (
        PAGES,
        "cross-site",
        "http://other.example",
        "h",
        False,
    ),
    "allowed name, longer": (PAGES, "", "https://portal.example.evil", "h", False),
    "all allowed": (
        AllowedOrigins(origins=("*",)),
        "cross-site",
        "https://evil",
        "h",
        True,
    ),
}


@pytest.mark.parametrize(
    ("allowed", "fetch_site", "origin", "authority", "want"),
    SENDERS.values(),
    ids=SENDERS,
)
def test_pages_are_accepted_or_refused(
    allowed: AllowedOrigins,
    fetch_site: str,
    origin: str,
    authority: str,
    want: bool,
) -> None:
    def check() -> None:
        allowed.check_origin(fetch_site=fetch_site, origin=origin, authority=authority)

    if want:
        check()
        return
    with pytest.raises(PermissionDeniedError, match="TESK_API_CORS_ORIGINS"):
        check()
