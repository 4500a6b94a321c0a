"""Who helps with a large file, and whom its storage sends all of it to."""

import threading
from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest

from fakes.filer_storage import MemoryReader
from tesk_filer.adapters.volume import FolderVolume
from tesk_filer.ports import NO_CHECKSUMS, Part, Reader
from tesk_filer.usecases.large_download import Helpers, LargeDownload, LargeFile
from tesk_filer.usecases.part_queue import PartQueue
from tesk_filer.usecases.retry import Retry
from tesk_filer.usecases.transfer_progress import TransferProgress

CONTENT = array("H", range(500)).tobytes()
PARTS = [Part(at, at + 100) for at in range(0, 1000, 100)]


class WholeReader(MemoryReader):
    """Reads a part of what comes whole; counts what was read."""

    def __init__(self, part: Part, counted: list[int]) -> None:
        super().__init__(CONTENT[: part.stop], announced=len(CONTENT))
        self.skips = part.start
        self._counted = counted

    def read(self, size: int) -> bytes:
        self._counted.append(self.skips)
        super().read(self.skips)
        self.skips = 0
        data = super().read(size)
        self._counted.append(len(data))
        return data


@dataclass
class WholeFile:
    """A file of a storage that sends all of it to whoever wants a part.

    Attributes:
        counted: Bytes that were read, one after another.
        opened: The parts that were asked for.
        has_left: Set when the leader has closed its first connection.
    """

    counted: list[int] = field(default_factory=list)
    opened: list[Part] = field(default_factory=list)
    has_left: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def lead(self) -> Iterator[Reader]:
        """Open it as its leader."""
        try:
            yield WholeReader(Part(0, len(CONTENT)), self.counted)
        finally:
            self.has_left.set()

    @contextmanager
    def open(self, part: Part) -> Iterator[Reader]:
        """Open a part."""
        self.opened.append(part)
        yield WholeReader(part, self.counted)

    def bring(
        self, folder: Path, offer: Callable[[Callable[[], None], int], None]
    ) -> bytes:
        """Bring the file with the help that ``offer`` gives; return what arrived."""
        halt = threading.Event()
        progress = TransferProgress("inputs", halt, clock=lambda: 0.0)
        retry = Retry(tries=1, backoff=timedelta(), longest=timedelta(), halt=halt)
        seconds = count(0.0, 1.0)
        with (
            FolderVolume(folder).begin_parts(
                "/a", len(CONTENT), resumed="", renew=lambda: None
            ) as arriving,
            progress.of_file("https", path="/a") as file_progress,
        ):
            file = LargeFile(
                size=len(CONTENT),
                open=self.open,
                arriving=arriving,
                progress=file_progress,
                arrived=lambda _: None,
            )
            helpers = Helpers(offer=offer, most=4, now=lambda: next(seconds))
            download = LargeDownload(file, PartQueue(PARTS), retry, helpers)
            download.run(self.lead(), 0)
            arriving.finish(NO_CHECKSUMS, lambda _: None, executable=False)
        return (folder / "a").read_bytes()


@pytest.fixture
def whole() -> WholeFile:
    return WholeFile()


def test_helpers_that_get_all_of_a_file_leave_their_parts_to_its_leader(
    whole: WholeFile, tmp_path: Path
) -> None:
    def offer(work: Callable[[], None], copies: int) -> None:
        for _ in range(copies):
            work()

    assert whole.bring(tmp_path, offer) == CONTENT

    assert whole.opened == [PARTS[-1]] * 3  # each asked once
    assert sum(whole.counted) == len(CONTENT)


def test_a_part_that_comes_back_after_its_leader_left_arrives_all_the_same(
    whole: WholeFile, tmp_path: Path
) -> None:
    claimed = threading.Event()
    threads: list[threading.Thread] = []
    open_at_once = whole.open

    @contextmanager
    def open_late(part: Part) -> Iterator[Reader]:
        if threading.current_thread() in threads:
            claimed.set()
            assert whole.has_left.wait(30)
        with open_at_once(part) as reader:
            yield reader

    def offer(work: Callable[[], None], _copies: int) -> None:
        threads.append(threading.Thread(target=work))
        threads[0].start()
        assert claimed.wait(30)

    whole.open = open_late  # type: ignore[method-assign]

    assert whole.bring(tmp_path, offer) == CONTENT

    threads[0].join()
    assert whole.opened == [PARTS[-1]] * 2  # of the helper, then of the leader
    assert sum(whole.counted) <= 2 * len(CONTENT)
