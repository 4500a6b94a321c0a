"""Connections to HDFS that break: nothing wrong is ever accepted.

A byte that is changed on the way is not noticed: WebHDFS has no checksum of content.
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest

from contract.storage.breaks import BREAKS
from contract.storage.clouds import open_webhdfs
from contract.storage.places import Place
from servers.proxy import Break, Proxy, tcp_proxy
from servers.webhdfs import HdfsFiles, webhdfs_server
from tesk_filer.adapters.storage.storage_config import Timeouts
from tesk_filer.adapters.volume import FolderVolume
from tesk_filer.ports import StorageError

SHORT = Timeouts(connect=timedelta(seconds=0.5), stall=timedelta(seconds=0.5))
SIZE = 600_000
CONTENT = os.urandom(SIZE)


@dataclass(frozen=True)
class Broken:
    """A storage whose connections go through proxies.

    Attributes:
        namenode: The proxy of requests.
        datanode: That of the bytes of files.
    """

    place: Place
    server: HdfsFiles
    namenode: Proxy
    datanode: Proxy

    def contents(self) -> dict[str, bytes]:
        """Return what the server has."""
        found = self.server.files.items()
        return {path: file.content for path, file in found if file.content is not None}


@pytest.fixture
def broken() -> Iterator[Broken]:
    with ExitStack() as stack:
        server = stack.enter_context(webhdfs_server())
        proxies = [
            stack.enter_context(tcp_proxy(port=int(place.rpartition(":")[2])))
            for place in (server.url, server.datanode)
        ]
        server.datanode = f"127.0.0.1:{proxies[1].port}"
        storage = open_webhdfs(timeouts=SHORT)
        stack.callback(storage.close)
        place = Place(storage, f"webhdfs://127.0.0.1:{proxies[0].port}")
        yield Broken(place, server, *proxies)


@pytest.mark.parametrize("told", BREAKS.values(), ids=BREAKS)
def test_a_download_that_breaks_leaves_nothing_and_may_be_tried_again(
    broken: Broken, told: Break, tmp_path: Path
) -> None:
    broken.server.put("/a", CONTENT)
    broken.datanode.breaks.append(told)

    with pytest.raises(StorageError) as caught:
        _download(broken.place, tmp_path)

    assert caught.value.transient
    assert not (tmp_path / "a").exists()
    _download(broken.place, tmp_path)
    assert (tmp_path / "a").read_bytes() == CONTENT


def _download(place: Place, folder: Path) -> None:
    with place.open(place.at("a")) as reader:
        FolderVolume(folder).save("/a", reader, lambda _: None, {})


@pytest.mark.parametrize("told", BREAKS.values(), ids=BREAKS)
def test_an_upload_that_breaks_leaves_what_was_there(
    broken: Broken, told: Break
) -> None:
    broken.server.put("/a", b"before")
    broken.datanode.breaks.append(replace(told, way="up"))

    with pytest.raises(StorageError) as caught:
        broken.place.put(broken.place.at("a"), CONTENT)

    assert caught.value.transient
    assert broken.contents()["/a"] == b"before"
    broken.place.put(broken.place.at("a"), CONTENT)
    assert broken.contents() == {"/a": CONTENT}


def test_a_renaming_whose_answer_is_lost_is_not_asked_again_by_itself(
    broken: Broken,
) -> None:
    broken.server.unanswered.append("RENAME")

    with pytest.raises(StorageError) as caught:
        broken.place.put(broken.place.at("a"), CONTENT)

    assert caught.value.transient
    broken.place.put(broken.place.at("a"), CONTENT)
    assert broken.contents() == {"/a": CONTENT}


@pytest.mark.parametrize("does", ["cut", "close", "stall"])
def test_a_namenode_that_breaks_off_may_be_asked_again(
    broken: Broken, does: str
) -> None:
    for number in range(100):
        broken.server.put(f"/d/a file with quite a long name, number {number}", b"x")
    broken.server.page = 1000
    broken.namenode.breaks.append(Break(does=does, after=2_000))  # type: ignore[arg-type]  # of the table above

    with pytest.raises(StorageError) as caught:
        broken.place.walk(broken.place.at("d"))

    assert caught.value.transient
    assert len(broken.place.walk(broken.place.at("d"))) == 100
