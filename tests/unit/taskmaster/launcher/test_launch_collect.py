"""--collect: files outside a container's mounts are kept."""

import filecmp
import json
import os
import resource
from pathlib import Path

import pytest

from cases.collecting import LINK_CASES, LinkCase, outputs
from cases.patterns import DEEP_CASES, NAME_CASES, is_reached
from taskmasters.launcher import ALL_BYTES, Launch, below, listing, python, script


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Files as a container may leave them outside its mounts."""
    root = tmp_path / "image"
    (root / "deep" / "empty").mkdir(parents=True)
    (root / "a.txt").write_bytes(ALL_BYTES)
    (root / "b.txt").write_text("b")
    (root / "c.dat").write_text("c")
    script(root / "deep" / "run.sh", "#!/bin/sh\n", 0o750)
    (root / "deep" / "link").symlink_to("run.sh")
    (root / "deep" / "dangling").symlink_to("/no/such/file")
    (root / "top").symlink_to("/no/such/file")
    (root / "deep").chmod(0o555)
    return root


DEEP = ["deep", "deep/dangling", "deep/empty", "deep/link", "deep/run.sh"]
COLLECTED: dict[str, tuple[str, list[str]]] = {
    "a file": ("a.txt", ["a.txt"]),
    "a directory": ("deep", DEEP),
    "files of all folders": ("**.t?t", ["a.txt", "b.txt"]),
    "a directory, once": ("**[de]*p", DEEP),
    "a directory with a trailing slash": ("deep/", DEEP),
    "a pattern": ("*.txt", ["a.txt", "b.txt"]),
    "a pattern with a choice": ("[bc].*", ["b.txt", "c.dat"]),
    "a pattern for a directory": ("d??p", DEEP),
    "a symlink, as a symlink": ("top", ["top"]),
    "nothing": ("none.txt", []),
    "nothing, below a file": ("a.txt/none", []),
    "nothing, by a pattern": ("*.none", []),
}


@pytest.mark.parametrize(("source", "want"), COLLECTED.values(), ids=COLLECTED)
@pytest.mark.parametrize("code", [0, 3])
def test_collect_copies_what_matches_whatever_the_exit_code(
    launch: Launch, tree: Path, tmp_path: Path, source: str, want: list[str], code: int
) -> None:
    volume = tmp_path / "volume" / "outputs"

    done = launch("--collect", f"{tree}/{source}", volume, *python(f"exit({code})"))

    assert (done.returncode, done.stderr) == (code, b"")
    original = listing(tree)
    assert listing(below(volume, tree)) == {name: original[name] for name in want}


def test_collect_finds_a_file_in_a_matched_directory(
    launch: Launch, tree: Path, tmp_path: Path
) -> None:
    launch("--collect", f"{tree}/d??p/*.sh", tmp_path / "volume", "--", "true")

    copied = listing(below(tmp_path / "volume", tree))
    assert copied == {"deep": "dir 777", "deep/run.sh": "file 750"}


def test_collect_keeps_the_bytes_and_takes_many(
    launch: Launch, tree: Path, tmp_path: Path
) -> None:
    one, two = tmp_path / "one", tmp_path / "two"

    launch(
        *("--collect", tree / "a.txt", one, "--collect", tree / "b.txt", two),
        *("--", "true"),
    )

    assert below(one, tree / "a.txt").read_bytes() == ALL_BYTES
    assert below(two, tree / "b.txt").read_text() == "b"


@pytest.mark.parametrize("data", [[], [(0, b"a")], [(2**27 - 1, b"z")]])
def test_collect_keeps_large_holes(
    launch: Launch, tmp_path: Path, data: list[tuple[int, bytes]]
) -> None:
    source = tmp_path / "sparse"
    with source.open("wb") as file:
        file.truncate(2**27)
        for place, text in [*data, (2**26 + 7, b"middle")]:
            file.seek(place)
            file.write(text)
    if source.stat().st_blocks * 512 > 2**20:
        pytest.skip("the file system of the tests keeps no holes")

    done = launch("--collect", source, tmp_path / "v", "--", "true")

    copy = below(tmp_path / "v", source)
    assert (done.returncode, done.stderr) == (0, b"")
    assert copy.stat().st_blocks * 512 <= 2**20
    assert filecmp.cmp(source, copy, shallow=False)


def test_collect_copies_what_has_no_size(launch: Launch, tmp_path: Path) -> None:
    done = launch("--collect", "/proc/version", tmp_path / "v", "--", "true")

    copy = below(tmp_path / "v", Path("/proc/version"))
    assert done.returncode == 0
    assert copy.read_bytes() == Path("/proc/version").read_bytes()


def test_collect_twice_replaces_the_first_copy(
    launch: Launch, tree: Path, tmp_path: Path
) -> None:
    volume = tmp_path / "volume"
    outside = tmp_path / "outside"
    outside.write_text("untouched")
    below(volume, tree).mkdir(parents=True)
    below(volume, tree / "b.txt").symlink_to(outside)

    for _ in range(2):
        assert launch("--collect", tree, volume, "--", "true").returncode == 0

    assert outside.read_text() == "untouched"
    assert listing(below(volume, tree)) == listing(tree)


def test_collect_never_copies_the_destination_into_itself(
    launch: Launch, tree: Path
) -> None:
    volume = tree / "volume"
    volume.mkdir()

    assert launch("--collect", tree, volume, "--", "true").returncode == 0

    assert not below(volume, volume).exists()
    assert below(volume, tree / "a.txt").read_bytes() == ALL_BYTES


@pytest.mark.parametrize("destination", ["/", "", "/proc/self/root"])
def test_collect_onto_the_source_leaves_it_alone(
    launch: Launch, tree: Path, destination: str
) -> None:
    launch("--collect", tree / "a.txt", destination, "--", "true")

    assert (tree / "a.txt").read_bytes() == ALL_BYTES


def test_collect_skips_what_is_no_file(launch: Launch, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    os.mkfifo(tree / "pipe")

    done = launch("--collect", tree, tmp_path / "volume", "--", "true")

    assert done.returncode == 0
    assert f"collect: {tree}/pipe: skipped" in done.stderr.decode()


@pytest.mark.parametrize(("code", "want"), [(0, 125), (3, 3)])
def test_a_failed_copy_is_reported_but_does_not_hide_the_childs_failure(
    launch: Launch, tree: Path, tmp_path: Path, code: int, want: int
) -> None:
    volume, report = tmp_path / "volume", tmp_path / "report"
    volume.touch()

    done = launch(
        *("--collect", tree / "a.txt", volume, "--report", report),
        *python(f"exit({code})"),
    )

    assert done.returncode == want
    assert b"Not a directory" in done.stderr
    assert "collect: " in json.loads(report.read_text())["error"]
    assert json.loads(report.read_text())["exit_code"] == want


@pytest.mark.parametrize(
    ("pattern", "path"), [case[:2] for case in DEEP_CASES.values()], ids=DEEP_CASES
)
def test_two_stars_cross_folders(
    launch: Launch, tmp_path: Path, pattern: str, path: str
) -> None:
    file = tmp_path / "image" / path
    file.parent.mkdir(parents=True)
    file.touch()

    launch("--collect", f"{tmp_path}/image/{pattern}", tmp_path / "v", "--", "true")

    assert below(tmp_path / "v", file).exists() is is_reached(pattern, path)


@pytest.mark.parametrize(
    ("pattern", "name", "want"), NAME_CASES.values(), ids=NAME_CASES
)
def test_a_name_is_matched_as_in_a_shell(
    launch: Launch, tmp_path: Path, pattern: str, name: str, *, want: bool
) -> None:
    files = [tmp_path / "image" / path for path in (name, f"{name}.d/x")]
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()

    for each in (pattern, f"{pattern}.d/x"):
        launch("--collect", f"{tmp_path}/image/{each}", tmp_path / "v", "--", "true")

    assert [below(tmp_path / "v", file).exists() for file in files] == [want, want]


def _few_descriptors() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (24, most))


@pytest.mark.parametrize("pattern", ["d", "d/**/f", "d/**"])
def test_a_deep_tree_is_collected_with_few_descriptors(
    launch: Launch, tmp_path: Path, pattern: str
) -> None:
    deepest = tmp_path.joinpath(*["d"] * 100)
    deepest.mkdir(parents=True)
    (deepest / "f").touch()

    done = launch(
        *("--collect", tmp_path / pattern, tmp_path / "v", "--", "true"),
        preexec_fn=_few_descriptors,
    )

    assert (done.returncode, done.stderr) == (0, b"")
    assert below(tmp_path / "v", deepest / "f").exists()


def test_a_pattern_of_many_folders_needs_little_stack(
    launch: Launch, tree: Path, tmp_path: Path
) -> None:
    pattern = f"{tree}{'/.' * 1500}/*.txt"

    done = launch(
        *("--collect", pattern, tmp_path / "v", "--", "true"),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_STACK, (2**20, 2**20)),
    )

    assert (done.returncode, done.stderr) == (0, b"")
    assert below(tmp_path / "v", tree / "a.txt").exists()


def test_links_in_a_circle_come_to_an_end(launch: Launch, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    for name in ("one", "two"):
        (tree / name).symlink_to(".")

    done = launch("--collect", f"{tree}{'/*' * 60}", tmp_path / "v", "--", "true")

    assert done.returncode == 125
    assert b"it leads through more than 100000 directories" in done.stderr


@pytest.mark.parametrize("case", LINK_CASES.values(), ids=LINK_CASES)
def test_outputs_through_links(launch: Launch, tmp_path: Path, case: LinkCase) -> None:
    root, volume = tmp_path / "root", tmp_path / "volume"
    volume.mkdir()
    case.make(root)

    launch("--collect", f"{root}/{case.pattern}", volume, "--", "true")

    assert tuple(outputs(volume, str(root), case.pattern)) == case.want
