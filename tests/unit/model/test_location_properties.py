"""What holds of every url, whatever is in it."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from tesk_model.locations import (
    InvalidLocationError,
    describe_url,
    parse_location,
    with_parents,
)
from tesk_model.schemes import SCHEMES

CHARACTERS = st.characters(exclude_characters="/\0\r\n", exclude_categories=["Cs"])
NAMES = st.text(CHARACTERS, min_size=1)
PARTS = st.sampled_from(
    [
        "file",
        "ftp",
        "http",
        "HTTPS",
        "s3",
        "abfs",
        "webhdfs",
        "x",
        ":",
        "/",
        "//",
        "@",
        "?",
        "#",
        "[::1]",
        "localhost",
        "h",
        ":80",
        "%2F",
        "%00",
        "%",
        "\x00",
        ";type=a",
        "..",
        "\\",
        "�",
    ]
)
TEXTS = st.one_of(
    st.lists(PARTS, max_size=12).map("".join),
    st.text(),
    st.tuples(
        st.sampled_from(
            ["", *(f"{scheme}://" for scheme in SCHEMES)],
        ),
        st.sampled_from(["", "u@", "u:p@", "a%40b:c%2F@"]),
        st.sampled_from(["h", "H:80", "[::1]", "bucket", ""]),
        st.lists(st.one_of(PARTS, NAMES), max_size=4).map(
            lambda names: "/" + "/".join(names)
        ),
    ).map("".join),
)


@given(TEXTS)
def test_a_written_location_is_parsed_to_the_same_one(text: str) -> None:
    try:
        location = parse_location(text)
    except InvalidLocationError:
        return

    assert parse_location(location.url) == replace(location, user=None, password=None)


@given(
    base=st.sampled_from(
        [
            "/d",
            "/",
            "file:///d",
            "file:///",
            "ftp://u:p@h/d",
            "ftp://h",
            "ftp://h//",
            "ftps://h",
            "sftp://u:p@h/~/d",
            "s3://b/d/",
            "s3://b",
            "gs://b",
            "az://c/d",
            "abfs://c@h",
            "abfss://c@h/d/",
            "hdfs://h",
            "webhdfs://u@h/d/",
            "http://h/d?x=y",
            "https://h",
        ]
    ),
    names=st.lists(NAMES, min_size=1, max_size=3),
)
def test_a_location_below_another_is_parsed_to_the_same_one(
    base: str, names: list[str]
) -> None:
    top, name = parse_location(base), "/".join(names)

    below = top.below(name)

    assert below.path.endswith(name)
    assert (below.user, below.password) == (top.user, top.password)
    assert parse_location(below.url) == replace(below, user=None, password=None)
    assert (
        top.canonical in with_parents(below.canonical) or ".." in names or "." in names
    )


@given(user=NAMES, password=st.text(st.characters(categories=["L", "N"]), min_size=8))
def test_userinfo_is_never_shown(user: str, password: str) -> None:
    for scheme in SCHEMES.keys() - {"file"}:
        for host in ("h", "h:80", "h:none"):
            text = f"{scheme}://{user}:{password}@{host}/a"

            shown = describe_url(text)

            assert password not in shown
