"""Urls of references are read in one way, and lead nowhere else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tesk_model.locations import InvalidLocationError
from tesk_model.references import is_reference, parse_reference, reference_of
from tesk_model.task import Input

READ = {
    "a file": ("ref://grch38/genome.fa", "grch38", "genome.fa", True),
    "a folder": ("ref://grch38/bwa/", "grch38", "bwa", False),
    "all of it": ("ref://grch38/", "grch38", "", False),
    "all of it without a slash": ("ref://grch38", "grch38", "", False),
    "capitals in the scheme": ("REF://a.b_c-1/x", "a.b_c-1", "x", True),
    "encoded": ("ref://r/a%20b%3F/%C3%BC", "r", "a b?/ü", True),
    "what other schemes take for a query": ("ref://r/a?b#c", "r", "a?b#c", True),
    "dots and doubled slashes": ("ref://r//a/./b", "r", "a/b", True),
}


@pytest.mark.parametrize(
    ("url", "name", "path", "is_file"), READ.values(), ids=READ.keys()
)
def test_a_url_is_a_name_and_a_path(
    url: str, name: str, path: str, *, is_file: bool
) -> None:
    reference = parse_reference(url)

    assert (reference.name, reference.path) == (name, path)
    assert reference.names_a_file is is_file
    assert str(reference) == url


REFUSED = {
    "no name": ("ref:///genome.fa", "NAME"),
    "capitals in the name": ("ref://GRCh38/x", "lower-case"),
    "a login": ("ref://u:p@grch38/x", "NAME"),
    "a port": ("ref://grch38:80/x", "NAME"),
    "a way up": ("ref://grch38/a/../../b", '".."'),
    "an encoded way up": ("ref://grch38/%2e%2E/b", '".."'),
    "an encoded slash of a way up": ("ref://grch38/a%2F..%2Fb", '".."'),
    "NUL": ("ref://grch38/a%00", "NUL"),
    "no UTF-8": ("ref://grch38/%FF", "UTF-8"),
    "a long name": ("ref://grch38/" + "n" * 256, "255"),
    "a long path": ("ref://grch38/" + "a/" * 2050, "4095"),
}


@pytest.mark.parametrize(("url", "want"), REFUSED.values(), ids=REFUSED)
def test_a_malformed_url_is_refused_with_the_rule(url: str, want: str) -> None:
    with pytest.raises(InvalidLocationError, match=want):
        parse_reference(url)


@given(st.text(min_size=1))
def test_no_path_leads_out_of_its_reference(path: str) -> None:
    try:
        reference = parse_reference(f"ref://r/{path}")
    except (InvalidLocationError, UnicodeEncodeError):
        return

    assert not reference.path.startswith("/")
    assert ".." not in reference.path.split("/")


def test_an_input_with_content_is_no_reference() -> None:
    assert reference_of(Input(path="/a", url="ref://r/a", content="x")) is None
    assert reference_of(Input(path="/a", url="s3://r/a")) is None
    assert reference_of(Input(path="/a", url="ref://r/a")) == parse_reference(
        "ref://r/a"
    )
    assert not is_reference("/ref://r")
