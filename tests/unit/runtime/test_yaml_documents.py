"""No text makes the parser of YAML fall, hang or grow: it is refused."""

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tesk_runtime.document_loading import MAX_BYTES
from tesk_runtime.yaml_documents import MAX_DEPTH, YamlError, parse_yaml

MANY = 30_000
TOO_DEEP = {
    "lists": "users: " + "[" * MANY,
    "lists that are closed": "[" * MANY + "]" * MANY,
    "as many lists as fit": "[" * MAX_BYTES,
    "mappings": "{a: " * MANY,
    "lists of a block": "- " * MANY,
    "keys of a block": "? " * MANY,
    "mappings by indentation": "\n".join(" " * level + "a:" for level in range(1000)),
    "keys of lists": "[? " * MANY,
    "values with anchors": "".join(f"&a{level} [" for level in range(MANY)),
    "values with tags": "!!seq [" * MANY,
    "aliases of aliases": "- &a0 []\n"
    + "\n".join(f"- &a{level} [*a{level - 1}]" for level in range(1, MANY)),
}
REFUSED = {
    "a list that is not closed": ("a:\n- [", "is not YAML: .*line 3"),
    "two documents": ("a: 1\n---\nb: 1", "is not YAML: .*single document"),
    "an alias of nothing": ("- *a", "is not YAML: .*undefined alias"),
    "a list within itself": (
        "a:\n- &a [*a]",
        "contains itself by an anchor; see its line 2$",
    ),
    "a mapping that merges itself": ("&a\n<<: *a", "contains itself by an anchor"),
    "aliases that double what they stand for": (
        "- &a0 [x, x]\n"
        + "\n".join(f"- &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 50)),
        "has more than 1,000,000 values, those of aliases counted$",
    ),
    "a number that takes a minute": (
        "a: 1" + ":59" * 300_000,
        "has a number of more than 100 digits; see its line 1$",
    ),
    "a number that nobody can write": (
        "a: 0x" + "f" * MANY,
        "has a number of more than 100 digits",
    ),
    "a name twice": (
        "users:\n  alice: {running: 3}\n  bob: {}\n  alice: {running: 9}",
        "has the name 'alice' twice in one mapping; see its line 4$",
    ),
    "a name twice, far inside": ("- [{a: [{b: 1, c: 2, b: 1}]}]", "has the name 'b'"),
    "a name twice, once in quotes": ("{a: 1, 'a': 1}", "has the name 'a' twice"),
    "a number twice": ("{1: a, 1: b}", "has the name '1' twice"),
    "a name twice in what is merged": ("- &a {x: 1, x: 2}\n- {<<: *a}", "has the name"),
    "two merges": ("- &a {x: 1}\n- {<<: *a, <<: *a}", "has the name '<<' twice"),
    "a name twice in a set": ("!!set {a, a}", "has the name 'a' twice"),
    "a date that is none": ("a: 2001-99-99", "is not YAML: month must be in"),
    "a truth that is none": ("a: !!bool x", "is not YAML"),
    "a time that is none": ("a: !!timestamp x", "is not YAML"),
    "an object of Python": ("!!python/object:os.system x", "is not YAML"),
    "a character that is none": ("a: \ud800", "is not YAML"),
    "a control character": ("a: \x01", "is not YAML"),
}


@pytest.mark.parametrize("text", TOO_DEEP.values(), ids=TOO_DEEP)
def test_what_is_nested_too_deep_is_refused(text: str) -> None:
    with pytest.raises(YamlError, match=r"^is nested deeper than 100 levels; see its"):
        parse_yaml(text)


@pytest.mark.parametrize(("text", "want"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_read_is_refused_with_the_reason(text: str, want: str) -> None:
    with pytest.raises(YamlError, match=f"(?s)^{want}"):
        parse_yaml(text)


def test_as_many_levels_as_may_be_are_read() -> None:
    text = "[" * MAX_DEPTH + "]" * MAX_DEPTH

    assert repr(parse_yaml(text)) == text


def test_an_alias_is_what_its_anchor_is() -> None:
    text = "a: &a {x: 1, y: 2}\nb: *a\nc: {<<: *a, y: 3}\nd: [*a, *a]\ne: &e 1\nf: *e"

    both = {"x": 1, "y": 2}
    assert parse_yaml(text) == {
        "a": both,
        "b": both,
        "c": {"x": 1, "y": 3},
        "d": [both, both],
        "e": 1,
        "f": 1,
    }


def test_an_empty_document_is_nothing() -> None:
    assert parse_yaml("") is parse_yaml("# only a comment\n") is None


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("a: 1\nb: {secret", "is not YAML; see its line 3"),
        ("secret: 1\nsecret: 2", "has a name twice in one mapping; see its line 2"),
    ],
)
def test_the_summary_quotes_nothing(text: str, want: str) -> None:
    with pytest.raises(YamlError) as refused:
        parse_yaml(text)

    assert "secret" not in refused.value.summary
    assert refused.value.summary.startswith(want)


def test_what_is_merged_may_be_said_again() -> None:
    text = """
    first: &first {x: 1, y: 2}
    second: {inner: &second {<<: *first, x: 3}}
    third: {<<: [*second, *first], y: 4}
    """

    found = parse_yaml(text)

    assert found["second"] == {"inner": {"x": 3, "y": 2}}
    assert found["third"] == {"x": 3, "y": 4}


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=9), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(document=PLAIN, flow=st.booleans())
def test_what_was_written_is_read(document: Any, flow: bool) -> None:
    assert parse_yaml(yaml.safe_dump(document, default_flow_style=flow)) == document


@given(text=st.text(alphabet="a1:-?[]{},&*!<|>'\"#% \n\t~", max_size=60))
def test_any_text_is_read_as_the_library_does_or_refused(text: str) -> None:
    try:
        found = parse_yaml(text)
    except YamlError:
        return
    assert found == yaml.load(text, Loader=yaml.CSafeLoader)
