import pytest

from tesk_filer.domain.downloads import order_downloads, plan_download
from tesk_model.task import FileType, Input


def directory(path: str, url: str = "/d") -> Input:
    return Input(path=path, url=url, type=FileType.DIRECTORY)


def file(path: str) -> Input:
    return Input(path=path, url="/f")


WAVES = {
    "nothing": ((), []),
    "unrelated inputs come together": (
        (file("/b"), directory("/a"), file("/c/d")),
        [["/b", "/a", "/c/d"]],
    ),
    "two directories with one path merge in list order": (
        (directory("/a", "/1"), directory("/a/", "/2")),
        [["/a"], ["/a"]],
    ),
    "a file inside a directory comes after it if it is listed so": (
        (directory("/a"), file("/a/x"), file("/a/y")),
        [["/a"], ["/a/x", "/a/y"]],
    ),
    "a directory comes after a file inside it if it is listed so": (
        (file("/a/x"), file("/a/b/y"), directory("/a"), file("/b")),
        [["/a/x", "/a/b/y", "/b"], ["/a"]],
    ),
    "directories inside each other come as they are listed": (
        (directory("/a/b"), file("/a/b/c/d"), directory("/a"), directory("/a/b/")),
        [["/a/b"], ["/a/b/c/d"], ["/a"], ["/a/b"]],
    ),
    "names that begin alike are no overlap": (
        (directory("/a"), directory("/ab"), file("/a.txt")),
        [["/a", "/ab", "/a.txt"]],
    ),
    "everything is inside the root": (
        (file("/x"), directory("/"), file("/y")),
        [["/x"], ["/"], ["/y"]],
    ),
}


@pytest.mark.parametrize(("inputs", "want"), WAVES.values(), ids=WAVES)
def test_overlapping_inputs_come_in_waves(
    inputs: tuple[Input, ...], want: list[list[str]]
) -> None:
    waves = order_downloads(list(map(plan_download, range(9), inputs)))

    assert [[download.path for download in wave] for wave in waves] == want


SOURCES = {
    "content wins over a url": (Input(path="/a", content="x", url="/u"), ("", b"x")),
    "empty content gives way to a url": (
        Input(path="/a", content="", url="/u"),
        ("/u", b""),
    ),
    "empty content alone is an empty file": (Input(path="/a", content=""), ("", b"")),
    "content is UTF-8": (Input(path="/a", content="ä\r\n"), ("", b"\xc3\xa4\r\n")),
}


@pytest.mark.parametrize(("entry", "want"), SOURCES.values(), ids=SOURCES)
def test_the_source_of_an_input(entry: Input, want: tuple[str, bytes]) -> None:
    download = plan_download(0, entry)

    assert (str(download.source or ""), download.content) == want


def test_a_title_names_field_path_and_url_without_credentials() -> None:
    download = plan_download(0, Input(path="/a//b", url="ftp://u:p@h/x"))

    assert str(download) == "inputs[0] (/a/b): ftp://h/x"
