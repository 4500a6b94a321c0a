"""Outputs that would overwrite each other are refused; those that agree are not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tesk_api.domain.target_conflicts import target_conflicts
from tesk_model.task import FileType, Output

FILE, DIRECTORY = FileType.FILE, FileType.DIRECTORY


def conflicts(*entries: tuple[str, str, FileType]) -> list[str]:
    outputs = (Output(path=path, url=url, type=kind) for path, url, kind in entries)
    return [str(problem) for problem in target_conflicts(enumerate(outputs))]


SAME = "outputs[1].url: is also outputs[0].url; each output needs its own"
BELOW = "is below outputs[0].url, which is a file"

REFUSED = {
    "two files": ([("/a", "s3://b/k", FILE), ("/b", "s3://b/k", FILE)], SAME),
    "a plain path and its url": (
        [("/a", "/data//x", FILE), ("/b", "file:///data/x", FILE)],
        SAME,
    ),
    "a url with a host and an escaped letter": (
        [("/a", "file://localhost/%61", FILE), ("/b", "/a", FILE)],
        SAME,
    ),
    "another case of scheme and host": (
        [("/a", "FTP://Host/x", FILE), ("/b", "ftp://host/x", FILE)],
        SAME,
    ),
    "a file and a directory where names are one or the other": (
        [("/a", "/x", FILE), ("/b", "/x/", DIRECTORY)],
        SAME,
    ),
    "a file below a file": (
        [("/a", "/x", FILE), ("/b", "/x/y/z", FILE)],
        f"outputs[1].url: {BELOW}",
    ),
    "a directory below a file": (
        [("/a", "/x", FILE), ("/b", "/x/y", DIRECTORY)],
        f"outputs[1].url: {BELOW}",
    ),
    "a file where a directory has another declared file": (
        [
            ("/d", "s3://b/d/", DIRECTORY),
            ("/d/x", "s3://b/else", FILE),
            ("/a", "s3://b/d/x", FILE),
        ],
        "outputs[2].url: is where the directory outputs[0].url brings another output",
    ),
}


@pytest.mark.parametrize(("entries", "want"), REFUSED.values(), ids=REFUSED)
def test_outputs_that_conflict_are_refused(
    entries: list[tuple[str, str, FileType]], want: str
) -> None:
    assert conflicts(*entries) == [want]


LEGAL = {
    "one path to two urls": [("/a", "/x", FILE), ("/a", "/y", FILE)],
    "the same output twice (Cromwell)": [("/a", "/x", FILE), ("//a/", "/x", FILE)],
    "a file beside the directory that holds it (cwl-tes)": [
        ("/d/out.txt", "file:///r/out.txt", FILE),
        ("/d", "file:///r/", DIRECTORY),
    ],
    "a directory that is called a file, and a file in it (Nextflow)": [
        ("/d", "/r/d", FILE),
        ("/d/x", "/r/d/x", FILE),
    ],
    "two directories to one url": [("/d", "/r", DIRECTORY), ("/e", "/r", DIRECTORY)],
    "a key and keys below it": [("/a", "s3://b/x", FILE), ("/b", "s3://b/x/y", FILE)],
    "a key that is a directory as well": [
        ("/a", "s3://b/x", FILE),
        ("/b", "s3://b/x/", DIRECTORY),
    ],
    "keys that differ by a slash": [
        ("/a", "s3://b/x", FILE),
        ("/b", "s3://b//x", FILE),
    ],
    "keys that only look escaped": [
        ("/a", "s3://b/%61", FILE),
        ("/b", "s3://b/a", FILE),
    ],
    "a file where a directory may have one": [
        ("/d", "/r", DIRECTORY),
        ("/a", "/r/x", FILE),
    ],
}


@pytest.mark.parametrize("entries", LEGAL.values(), ids=LEGAL)
def test_outputs_that_agree_are_accepted(
    entries: list[tuple[str, str, FileType]],
) -> None:
    assert conflicts(*entries) == []


def test_patterns_are_checked_at_the_upload() -> None:
    outputs = [
        Output(path="/o/*", url="/r", path_prefix="/o"),
        Output(path="/p/*", url="/r", path_prefix="/p"),
    ]

    assert list(target_conflicts(enumerate(outputs))) == []


SEGMENTS = st.lists(st.sampled_from("abc"), min_size=1, max_size=3)


@given(
    st.lists(st.tuples(SEGMENTS.map("/".join), st.sampled_from(FileType)), max_size=6),
    st.sampled_from(["s3://b/", "/r/", "ftp://h/"]),
)
def test_outputs_of_one_tree_never_conflict(
    entries: list[tuple[str, FileType]], root: str
) -> None:
    mapped = [(f"/work/{path}", root + path, kind) for path, kind in entries]

    assert conflicts(*mapped) == []


@given(
    st.lists(st.tuples(SEGMENTS.map("/".join), SEGMENTS.map("/".join)), max_size=6),
    st.sampled_from(["s3://b/", "/r/", "ftp://h/"]),
)
def test_two_paths_with_one_url_are_refused(
    entries: list[tuple[str, str]], root: str
) -> None:
    mapped = [(f"/work/{path}", root + url, FILE) for path, url in entries]
    sources: dict[str, set[str]] = {}
    for path, url, _ in mapped:
        sources.setdefault(url, set()).add(path)

    clash = any(len(paths) > 1 for paths in sources.values())

    assert bool(conflicts(*mapped)) >= clash
