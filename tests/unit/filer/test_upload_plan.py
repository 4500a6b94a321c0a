import os
import tracemalloc
from collections.abc import Sequence
from pathlib import Path

import pytest

from cases.patterns import DEEP_CASES, is_reached
from tesk_filer.adapters.volume import FolderVolume
from tesk_filer.domain.globs import expand_deep
from tesk_filer.domain.tree import Kind, Node
from tesk_filer.domain.uploads import Notice, Upload, plan_uploads
from tesk_model.locations import parse_location
from tesk_model.paths import is_within
from tesk_model.task import FileType, Output


def planned(
    output: Output, volume: FolderVolume, *, extended: bool = True
) -> list[Notice | Upload]:
    target = parse_location(output.url)
    return list(plan_uploads(output, target, volume, extended=extended))


@pytest.fixture
def volume(tmp_path: Path) -> FolderVolume:
    root = tmp_path / "volume"
    for name in ("w/a.txt", "w/b.txt", "w/c.bin", "w/.h.txt", "w/d/x", "w/d/e/y"):
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name)
    (root / "w/empty").mkdir()
    return FolderVolume(root)


UPLOADS = {
    "a file goes to exactly its url": (
        Output(path="/w/a.txt", url="s3://b/x"),
        [("/w/a.txt", "s3://b/x")],
    ),
    "a directory has no level of its own name": (
        Output(path="/w/d/", url="s3://b/x/", type=FileType.DIRECTORY),
        [("/w/d/e/y", "s3://b/x/e/y"), ("/w/d/x", "s3://b/x/x")],
    ),
    "a pattern goes below its url without the prefix": (
        Output(path="/w/*.txt", url="/nf/wd", path_prefix="/w"),
        [("/w/a.txt", "/nf/wd/a.txt"), ("/w/b.txt", "/nf/wd/b.txt")],
    ),
    "a prefix may end in a slash": (
        Output(path="/w/?.txt", url="/nf/wd/", path_prefix="/w/"),
        [("/w/a.txt", "/nf/wd/a.txt"), ("/w/b.txt", "/nf/wd/b.txt")],
    ),
    "a directory that a pattern matches goes with all it holds": (
        Output(path="/w/[d]", url="/o", path_prefix="/"),
        [("/w/d/e/y", "/o/w/d/e/y"), ("/w/d/x", "/o/w/d/x")],
    ),
    "a pattern in the middle": (
        Output(path="/*/d/x", url="/o", path_prefix="/w"),
        [("/w/d/x", "/o/d/x")],
    ),
    "an empty directory is kept": (
        Output(path="/w/empty", url="/o", type=FileType.DIRECTORY),
        [("/w/empty", "/o")],
    ),
}


@pytest.mark.parametrize(("output", "want"), UPLOADS.values(), ids=UPLOADS)
def test_files_are_uploaded_to_their_urls(
    volume: FolderVolume, output: Output, want: list[tuple[str, str]]
) -> None:
    items = planned(output, volume)

    assert [
        (item.path, item.target.url) for item in items if isinstance(item, Upload)
    ] == want
    assert not [item for item in items if isinstance(item, Notice)]


MISSING = {
    "a file": (Output(path="/none", url="/o"), "/none does not exist"),
    "no match": (
        Output(path="/w/*.no", url="/o", path_prefix="/w"),
        "nothing matches /w/*.no",
    ),
    "brackets without a prefix are a name": (
        Output(path="/w/[ab].txt", url="/o"),
        "/w/[ab].txt does not exist",
    ),
    "a file for a directory": (
        Output(path="/w/a.txt", url="/o", type=FileType.DIRECTORY),
        "/w/a.txt is a file although its type is DIRECTORY",
    ),
}


@pytest.mark.parametrize(("output", "want"), MISSING.values(), ids=MISSING)
def test_a_missing_output_is_a_notice(
    volume: FolderVolume, output: Output, want: str
) -> None:
    assert planned(output, volume) == [Notice(want, missing=True)]


def test_a_directory_of_type_file_is_uploaded_with_a_report_notice(
    volume: FolderVolume,
) -> None:
    items = planned(Output(path="/w/d", url="/o"), volume)

    assert items[0] == Notice("/w/d is a directory although its type is FILE")
    assert [item.target.url for item in items[1:] if isinstance(item, Upload)] == [
        "/o/e/y",
        "/o/x",
    ]


EXTENDED = {
    "two stars cross folders": (
        Output(path="/w/**/[xy]", url="/o", path_prefix="/w"),
        [("/w/d/e/y", "/o/d/e/y"), ("/w/d/x", "/o/d/x")],
        "was matched across folders by **",
    ),
    "a directory that two stars match is taken once": (
        Output(path="/w/**d*", url="/o", path_prefix="/w"),
        [("/w/d/e/y", "/o/d/e/y"), ("/w/d/x", "/o/d/x")],
        "was matched across folders by **",
    ),
    "braces and a wildcard": (
        Output(path="/w/*.{bin,t{x,}t}", url="/o", path_prefix="/w"),
        [("/w/a.txt", "/o/a.txt"), ("/w/b.txt", "/o/b.txt"), ("/w/c.bin", "/o/c.bin")],
        "was matched with its braces as alternatives",
    ),
    "braces alone, in the url as well": (
        Output(path="/w/{a,b,z}.txt", url="s3://k/{a,b,z}.txt"),
        [("/w/a.txt", "s3://k/a.txt"), ("/w/b.txt", "s3://k/b.txt")],
        "was matched with its braces as alternatives",
    ),
    "braces alone, for one file": (
        Output(path="/w/{z,a}.txt", url="s3://k/result"),
        [("/w/a.txt", "s3://k/result")],
        "was matched with its braces as alternatives",
    ),
}


@pytest.mark.parametrize(("output", "want", "words"), EXTENDED.values(), ids=EXTENDED)
def test_extensions_say_that_they_matched(
    volume: FolderVolume, output: Output, want: list[tuple[str, str]], words: str
) -> None:
    items = planned(output, volume)

    assert [
        (item.path, item.target.url) for item in items if isinstance(item, Upload)
    ] == want
    notices = [item for item in items if isinstance(item, Notice)]
    assert [words in notice.message for notice in notices] == [True]
    assert not notices[0].missing


@pytest.mark.parametrize(
    "output", [case[0] for case in EXTENDED.values()], ids=EXTENDED
)
def test_extensions_can_be_switched_off(volume: FolderVolume, output: Output) -> None:
    items = planned(output, volume, extended=False)

    assert not any("extension" in getattr(item, "message", "") for item in items)
    assert all(
        "/e/" not in item.path for item in items if isinstance(item, Upload)
    ) or ("d*" in output.path)


def test_braces_that_are_a_name_are_no_alternatives(
    volume: FolderVolume, tmp_path: Path
) -> None:
    (tmp_path / "volume/w/{a,b}.txt").touch()

    items = planned(Output(path="/w/{a,b}.txt", url="/o"), volume)

    assert [item.path for item in items if isinstance(item, Upload)] == ["/w/{a,b}.txt"]


def test_alternatives_never_share_a_url(volume: FolderVolume) -> None:
    [notice] = planned(Output(path="/w/{a,b}.txt", url="/o"), volume)

    assert isinstance(notice, Notice)
    assert notice.missing
    assert "the url has no braces" in notice.message


@pytest.mark.parametrize(
    ("pattern", "path"), [case[:2] for case in DEEP_CASES.values()], ids=DEEP_CASES
)
def test_two_stars_cross_folders(tmp_path: Path, pattern: str, path: str) -> None:
    file = tmp_path / "in" / path
    file.parent.mkdir(parents=True)
    file.touch()

    found = expand_deep(f"/in/{pattern}", FolderVolume(tmp_path))

    assert bool(found) is is_reached(pattern, path)
    assert all(is_within(f"/in/{path}", match) for match in found)


def test_two_stars_do_not_follow_links_to_directories(
    volume: FolderVolume, tmp_path: Path
) -> None:
    for name in ("round", "again"):
        (tmp_path / "volume/w/d" / name).symlink_to(".")

    assert expand_deep("/w/**/y", volume) == ["/w/d/e/y"]


def test_links_pipes_and_circles(volume: FolderVolume, tmp_path: Path) -> None:
    work = tmp_path / "volume/w/links"
    work.mkdir()
    (work / "absolute").symlink_to("/w/a.txt")  # as the executor saw it
    (work / "nowhere").symlink_to("/etc/passwd")
    (work / "out").symlink_to("../../../../../../etc/passwd")
    (work / "round").symlink_to(".")
    os.mkfifo(work / "pipe")

    items = list(
        planned(Output(path="/w/links", url="/o", type=FileType.DIRECTORY), volume)
    )

    assert [item.target.url for item in items if isinstance(item, Upload)] == [
        "/o/absolute"
    ]
    notices = [item.message for item in items if isinstance(item, Notice)]
    assert [notice.partition(" ")[0] for notice in notices] == [
        "/w/links/nowhere",
        "/w/links/out",
        "/w/links/pipe",
        "/w/links/round",
    ]


class OneFolder:
    """A tree of one directory with many files."""

    def __init__(self, count: int) -> None:
        self._names = [f"sample-{number:07}.txt" for number in range(count)]

    def node(self, path: str) -> Node:
        kind = Kind.DIRECTORY if path == "/o" else Kind.FILE
        return Node(kind, (1, hash(path)))

    def is_link(self, path: str) -> bool:
        del path
        return False

    def names(self, path: str, most: int) -> Sequence[str]:
        assert path == "/o"
        return self._names[:most]


def test_a_directory_of_many_files_is_planned_one_by_one() -> None:
    tree, target = OneFolder(20_000), parse_location("s3://b/x")
    output = Output(path="/o", url="s3://b/x", type=FileType.DIRECTORY)
    tracemalloc.start()
    try:
        count = sum(1 for _ in plan_uploads(output, target, tree))
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert count == 20_000
    assert most < 500_000  # bytes; no path is kept
