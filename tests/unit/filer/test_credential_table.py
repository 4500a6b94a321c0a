"""The longest prefix that holds a url decides, and whose task it is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tesk_filer.adapters.storage.credential_document import KINDS
from tesk_filer.domain.credential_table import (
    CredentialEntry,
    CredentialTable,
    TaskOwner,
    prefix_of,
)
from tesk_filer.domain.credentials import BearerToken
from tesk_model.locations import parse_location
from tesk_model.schemes import SCHEMES

ADA = TaskOwner(name="ada", groups=("lab", "all"))
NOBODY = TaskOwner()


def entry(
    prefix: str, token: str, owners: tuple[str, ...] = (), groups: tuple[str, ...] = ()
) -> CredentialEntry:
    whole = prefix if prefix.endswith("://") else prefix_of(parse_location(prefix))
    return CredentialEntry(
        prefix=whole,
        credential=BearerToken(token=token),
        owners=frozenset(owners),
        groups=frozenset(groups),
        source=token,
    )


def found(table: CredentialTable, url: str, owner: TaskOwner = NOBODY) -> str | None:
    credential = table.find(parse_location(url), owner)
    assert credential is None or isinstance(credential, BearerToken)
    return None if credential is None else credential.token


TABLE = CredentialTable(
    [
        entry("https://h/", "host"),
        entry("https://h/a/b", "folder"),
        entry("https://h:8443", "port"),
        entry("https://other:443/x/../y/", "written otherwise"),
        entry("ftp://h", "ftp"),
        entry("s3://", "all buckets"),
        entry("s3://b", "bucket"),
        entry("s3://b/a//c", "two slashes"),
    ]
)
CASES: dict[str, tuple[str, str | None]] = {
    "the host": ("https://h/c", "host"),
    "in any case of letters, at its usual port": ("https://H:443/c", "host"),
    "at another port": ("https://h:8443/c", "port"),
    "at a port that is not named": ("https://h:8444/c", None),
    "by another scheme": ("http://h/c", None),
    "by another scheme with its own": ("ftp://h/c", "ftp"),
    "below a longer prefix": ("https://h/a/b/c", "folder"),
    "the longer prefix itself": ("https://h/a/b", "folder"),
    "with a query": ("https://h/a/b?x=/c", "folder"),
    "encoded": ("https://h/%61/%62/c", "folder"),
    "beside the longer prefix": ("https://h/a/bc", "host"),
    "out of the longer prefix": ("https://h/a/b/../c", "host"),
    "out of it, encoded": ("https://h/a/b/%2e%2e/c", "host"),
    "into the longer prefix": ("https://h/x/..//a/./b/c", "folder"),
    "a prefix that was written otherwise": ("https://other/y/z", "written otherwise"),
    "another host": ("https://h.evil/a/b", None),
    "a host of which it is a part": ("https://evilh/a/b", None),
    "a user that looks like the host": ("https://h@evil/a/b", None),
    "a bucket": ("s3://b/c", "bucket"),
    "another bucket": ("s3://c/b", "all buckets"),
    "dots of a key are itself": ("s3://b/x/../a//c", "bucket"),
    "slashes of a key are itself": ("s3://b/a//c/d", "two slashes"),
    "fewer slashes": ("s3://b/a/c/d", "bucket"),
    "a file": ("file:///b", None),
}


@pytest.mark.parametrize(("url", "want"), CASES.values(), ids=CASES)
def test_the_longest_prefix_counts(url: str, want: str | None) -> None:
    assert found(TABLE, url) == want


OWNED = CredentialTable(
    [
        entry("s3://b", "everybody's"),
        entry("s3://b/lab", "the lab's", groups=("lab",)),
        entry("s3://b/lab", "all's", groups=("all", "others")),
        entry("s3://b/lab", "bob's or ada's", owners=("bob", "ada")),
        entry("s3://b/bob", "bob's", owners=("bob",), groups=("bobs",)),
    ]
)
OWNERS: dict[str, tuple[str, TaskOwner, str]] = {
    "the owner comes before the groups": ("s3://b/lab/x", ADA, "bob's or ada's"),
    "groups in the order of the identity": (
        "s3://b/lab/x",
        TaskOwner(name="eve", groups=("x", "all", "lab")),
        "all's",
    ),
    "nobody gets what is for somebody": ("s3://b/lab/x", NOBODY, "everybody's"),
    "others get what is for all": ("s3://b/bob/x", ADA, "everybody's"),
    "a group or an owner": (
        "s3://b/bob/x",
        TaskOwner(name="eve", groups=("bobs",)),
        "bob's",
    ),
    "a group has not the rights of a user of its name": (
        "s3://b/bob/x",
        TaskOwner(name="eve", groups=("bob",)),
        "everybody's",
    ),
    "a user has not the rights of a group of its name": (
        "s3://b/lab/x",
        TaskOwner(name="lab"),
        "everybody's",
    ),
}


@pytest.mark.parametrize(("url", "owner", "want"), OWNERS.values(), ids=OWNERS)
def test_credentials_may_be_for_some_alone(
    url: str, owner: TaskOwner, want: str
) -> None:
    assert found(OWNED, url, owner) == want


OVERLAPS = {
    "for all": ({}, {}),
    "for one owner": ({"owners": ("a", "b")}, {"owners": ("b",)}),
    "for one group": ({"groups": ("a", "b")}, {"groups": ("b",), "owners": ("c",)}),
}


@pytest.mark.parametrize(("first", "second"), OVERLAPS.values(), ids=OVERLAPS)
def test_two_for_the_same_tasks_are_refused(
    first: dict[str, tuple[str, ...]], second: dict[str, tuple[str, ...]]
) -> None:
    entries = [
        entry("https://h/a", "x", **first),
        entry("https://h:443/a/", "y", **second),
    ]

    with pytest.raises(ValueError, match=r"^y\.prefix: is that of x, too"):
        CredentialTable(entries)


# Few names, so that prefixes meet.
SEGMENTS = st.lists(st.sampled_from(["a", "b", "ab", "a.b"]), max_size=4)
HOSTS = st.sampled_from(["s3://a", "s3://b", "https://a", "https://a:1", "http://a"])
URLS = st.builds(lambda host, path: "/".join([host, *path]), HOSTS, SEGMENTS)
NAMES = st.lists(st.sampled_from(["x", "y", "z"]), max_size=2, unique=True)
ENTRIES = st.lists(st.tuples(URLS | st.just("s3://"), NAMES, NAMES), max_size=8)


def holds(prefix: str, url: str) -> bool:
    """Tell the same segment by segment."""
    if prefix == "s3://":
        return url.startswith(prefix)
    wanted, given_ = prefix.split("/"), url.split("/")
    return given_[: len(wanted)] == wanted


def slow_choice(
    entries: list[CredentialEntry], url: str, owner: TaskOwner
) -> str | None:
    """Choose by sorting all entries."""
    fitting = []
    place = prefix_of(parse_location(url))
    for each in entries:
        if not holds(each.prefix, place):
            continue
        if owner.name in each.owners:
            nearness = 0
        elif groups := [group for group in owner.groups if group in each.groups]:
            nearness = 1 + owner.groups.index(groups[0])
        elif not each.owners and not each.groups:
            nearness = 9
        else:
            continue
        fitting.append((-len(each.prefix), nearness, each.source))
    return min(fitting)[2] if fitting else None


@given(ENTRIES, URLS, st.sampled_from(["", "x", "y", "q"]), NAMES)
def test_it_chooses_as_a_slow_model_does(
    drawn: list[tuple[str, list[str], list[str]]],
    url: str,
    name: str,
    groups: list[str],
) -> None:
    entries: list[CredentialEntry] = []
    for number, (prefix, owners, teams) in enumerate(drawn):
        new = entry(prefix, f"{number}", tuple(owners), tuple(teams))
        try:
            CredentialTable([*entries, new])
        except ValueError:
            continue
        entries.append(new)
    owner = TaskOwner(name=name, groups=tuple(groups))

    assert found(CredentialTable(entries), url, owner) == slow_choice(
        entries, url, owner
    )


def test_each_scheme_takes_kinds_that_there_are() -> None:
    for scheme in SCHEMES.values():
        assert set(scheme.credentials) <= set(KINDS), scheme.name


WITHOUT = {"file", "ref"}


def test_every_scheme_that_leads_elsewhere_takes_credentials() -> None:
    assert {scheme.name for scheme in SCHEMES.values() if not scheme.credentials} == {
        name for name in SCHEMES if name in WITHOUT
    }
