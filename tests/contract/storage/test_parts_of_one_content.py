"""Parts of a large file that others bring are of the content that its leader reads.

Storages that know no conditions are compared when they were read; the leader, which
leaves the end of a file to its helpers, comes to no end by itself.
"""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest

from contract.storage.clouds import WEBHDFS, webhdfs_place
from contract.storage.conftest import sftp_storage
from contract.storage.places import Place
from servers.sftp import sftp_server
from tesk_filer.adapters.volume import FolderVolume
from tesk_filer.domain.parts import MIB
from tesk_filer.ports import NO_CHECKSUMS, ChangedError, Part, Stat
from tesk_filer.usecases.large_download import Helpers, LargeDownload, LargeFile
from tesk_filer.usecases.part_queue import PartQueue
from tesk_filer.usecases.retry import Retry
from tesk_filer.usecases.transfer_progress import TransferProgress

OLD, NEW = b"o" * 8 * MIB, b"n" * 8 * MIB
PARTS = [Part(0, 6 * MIB), Part(6 * MIB, 8 * MIB)]


@pytest.fixture(params=["sftp", *WEBHDFS])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """Give each storage that knows no conditions and has parts."""
    if request.param in WEBHDFS:
        with webhdfs_place(request.param) as place:
            yield place
        return
    (tmp_path / "served").mkdir()
    with (
        sftp_server(tmp_path / "served") as server,
        closing(sftp_storage(server)) as storage,
    ):
        yield Place(storage, f"{server.url_with_password}{server.folder}")


def overwrite(place: Place) -> None:
    """Replace the content of the file as its storage does: sftp in place."""
    location = place.at("large")
    if location.scheme != "sftp":
        place.put(location, NEW)
        return
    Path(location.path).write_bytes(NEW)
    os.utime(location.path, (1, 1))  # times are told in whole seconds


def bring(place: Place, folder: Path, meanwhile: Callable[[], None]) -> bytes:
    """Bring the file; helpers bring all but the first part, then comes ``meanwhile``."""
    location = place.at("large")
    halt = threading.Event()
    progress = TransferProgress("inputs", halt, clock=lambda: 0.0)
    retry = Retry(tries=1, backoff=timedelta(), longest=timedelta(), halt=halt)
    seconds = count(0.0, 1.0)

    def offer(help_once: Callable[[], None], _copies: int) -> None:
        help_once()
        meanwhile()

    opened = place.open(location)
    with (
        FolderVolume(folder).begin_parts(
            "/large", len(OLD), resumed="", renew=lambda: None
        ) as arriving,
        progress.of_file(location.scheme, path="/large") as file_progress,
    ):
        with place.open(location) as reader:
            known = Stat(size=reader.size, etag=reader.etag)
        file = LargeFile(
            size=len(OLD),
            open=lambda part: place.open(location, part=part, known=known),
            arriving=arriving,
            progress=file_progress,
            arrived=lambda _: None,
        )
        helpers = Helpers(offer=offer, most=2, now=lambda: next(seconds))
        LargeDownload(file, PartQueue(PARTS), retry, helpers).run(opened, 0)
        arriving.finish(NO_CHECKSUMS, lambda _: None, executable=False)
    return (folder / "large").read_bytes()


def test_a_file_arrives_by_a_leader_and_its_helper(
    place: Place, tmp_path: Path
) -> None:
    place.put(place.at("large"), OLD)

    assert bring(place, tmp_path, lambda: None) == OLD


def test_a_file_that_changes_after_its_last_helper_is_not_taken(
    place: Place, tmp_path: Path
) -> None:
    place.put(place.at("large"), OLD)

    with pytest.raises(ChangedError):
        bring(place, tmp_path, lambda: overwrite(place))

    assert not (tmp_path / "large").exists()
