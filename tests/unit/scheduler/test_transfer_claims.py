"""What a filer may say: all that a real one says, and nothing that cannot be."""

import re
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tesk_filer.adapters.volume import FolderVolume
from tesk_filer.domain.uploads import Upload, plan_uploads
from tesk_model.errors import InvalidRequestError
from tesk_model.locations import parse_location, printable
from tesk_model.paths import literal_directory, normalize
from tesk_model.patterns import expand_braces
from tesk_model.task import Output, OutputFileLog
from tesk_scheduler.domain.transfers import (
    FILES_AT_ONCE,
    DeclaredOutput,
    Destinations,
    TaskDeclaration,
    check_counts,
    check_files,
    executors_have_ended,
)

URLS = st.sampled_from(
    [
        "s3://bucket/key",
        "s3://bucket",
        "file:///data/out/",
        "/data/out",
        "https://user:secret@host.example:8443/up/?sig=a/b&x=1",
        "http://host.example",
        "ftp://user:pa%40ss@host.example/%2Fout;type=i",
        "ftp://host.example//out/",
    ]
)
NAMES = st.text(
    st.characters(codec="utf-8", exclude_characters="/\\\0"), min_size=1, max_size=6
).filter(lambda name: name not in (".", ".."))
PATHS = st.lists(NAMES, min_size=1, max_size=4).map(lambda names: "/" + "/".join(names))


@given(URLS, PATHS, st.lists(NAMES, max_size=3))
def test_uploaded_files_are_declared(url: str, path: str, below: list[str]) -> None:
    assume(not url.startswith("ftp") or not re.search("[\r\n]", path + "".join(below)))
    top = normalize(path)
    match = "/".join([top, *below])
    for declared, prefix in ((path, top), (f"{literal_directory(path)}/*", "")):
        location = parse_location(url)
        if below or prefix == "":
            location = location.of_match(match, prefix)
        file = OutputFileLog(
            url=printable(location.url), path=printable(match), size_bytes=0
        )

        targets = [
            DeclaredOutput("/elsewhere", "s3://x/y"),
            DeclaredOutput(declared, url),
        ]
        assert Destinations(targets).allow(file)


BRACED = {
    "as the path has them": ("/out/{a,b}.txt", "s3://bucket/o/{a,b}.txt"),
    "encoded": ("/out/{a,b}.txt", "https://host.example/o/%7Ba%2Cb%7D.txt"),
    "encoded but for the comma": ("/o/{a,b}/c.txt", "ftp://h.example/%7Ba,b%7D/c.txt"),
    "of a folder": ("/out/x{a,b}", "file:///data/x{a,b}"),
    "not in the url": ("/out/{a,b}.txt", "s3://bucket/o"),
}


@pytest.mark.parametrize(("path", "url"), BRACED.values(), ids=BRACED)
def test_files_of_alternatives_of_a_path_are_declared(
    tmp_path: Path, path: str, url: str
) -> None:
    there = tmp_path / expand_braces(path)[-1][1:]
    if there.suffix:
        there.parent.mkdir(parents=True)
        there.touch()
    else:
        there.mkdir(parents=True)
        (there / "f").touch()

    uploads = plan_uploads(
        Output(path=path, url=url), parse_location(url), FolderVolume(tmp_path)
    )

    files = [
        OutputFileLog(url=each.target.url, path=each.path, size_bytes=each.size)
        for each in uploads
        if isinstance(each, Upload)
    ]
    assert files
    assert all(map(Destinations([DeclaredOutput(path, url)]).allow, files))
    assert not any(map(Destinations([DeclaredOutput("/o", "s3://else")]).allow, files))


def test_files_are_looked_up_fast_among_many_outputs() -> None:
    places = [(f"/out/{n}", f"s3://b/o/{n}") for n in range(20_000)]

    destinations = Destinations(DeclaredOutput(*place) for place in places)

    # Each file with each output: that would take minutes.
    assert all(
        destinations.allow(OutputFileLog(url=url, path=path, size_bytes=0))
        for path, url in places
    )


FOREIGN = {
    "another path": ("/other", "s3://b/o"),
    "a path that only begins alike": ("/out2", "s3://b/o"),
    "a path that leads out": ("/out/../etc/passwd", "s3://b/o"),
    "another bucket": ("/out", "s3://evil/o"),
    "a key that only begins alike": ("/out", "s3://b/other"),
    "another scheme": ("/out", "https://b/o"),
}


@pytest.mark.parametrize(("path", "url"), FOREIGN.values(), ids=FOREIGN)
def test_undeclared_files_are_not_allowed(path: str, url: str) -> None:
    file = OutputFileLog(url=url, path=path, size_bytes=0)

    assert not Destinations([DeclaredOutput("/out", "s3://b/o")]).allow(file)


ENDS = {
    "none has started": ([], False),
    "the first runs": ([(0, None)], False),
    "the last has not started": ([(0, 0), (1, 0)], False),
    "all have ended": ([(0, 0), (1, 0), (2, 0)], True),
    "one failed, and no more will run": ([(0, 0), (1, 3)], True),
    "one failed, which is ignored": ([(0, 3)], False),
    "one failed while another runs": ([(0, 0), (2, None), (1, None)], False),
}


@pytest.mark.parametrize(("known", "want"), ENDS.values(), ids=ENDS)
def test_executors_have_ended_when_no_more_will_run(
    known: list[tuple[int, int | None]], want: bool
) -> None:
    declared = TaskDeclaration(ignores_error=[True, False, False], outputs=())

    assert executors_have_ended(declared, known) is want


def test_negative_counts_are_refused_by_name() -> None:
    with pytest.raises(InvalidRequestError, match="bytes_done"):
        check_counts(files_done=1, bytes_done=-1)
    bad = OutputFileLog(url="u", path="p", size_bytes=-1)
    with pytest.raises(InvalidRequestError, match=r"files\[1\].size_bytes"):
        check_files([OutputFileLog(url="u", path="p", size_bytes=0), bad])
    with pytest.raises(InvalidRequestError, match="at most"):
        check_files([bad] * (FILES_AT_ONCE + 1))
