"""A server of sftp for each test, of the usual kind or as the test wants it."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from contract.storage.conftest import sftp_storage
from contract.storage.places import TIMEOUTS, Place
from servers.sftp import SftpFiles, SftpKind, sftp_server
from tesk_filer.adapters.storage.storage_config import Timeouts

SHORT = Timeouts(connect=timedelta(seconds=2), stall=timedelta(seconds=0.5))

Serve = Callable[..., AbstractContextManager[Place]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What the server serves."""
    served = tmp_path / "served"
    served.mkdir()
    return served


@pytest.fixture
def server(folder: Path) -> Iterator[SftpFiles]:
    """Run a server without peculiarities."""
    with sftp_server(folder) as files:
        yield files


@pytest.fixture
def sftp(server: SftpFiles) -> Iterator[Place]:
    """Its folder, for one who knows its key and the password."""
    with closing(sftp_storage(server)) as storage:
        yield Place(storage, f"{server.url_with_password}{server.folder}")


@pytest.fixture
def serve(folder: Path) -> Serve:
    """Return what serves the folder by a server of some kind, for the time of a block."""

    @contextmanager
    def serving(kind: SftpKind, timeouts: Timeouts = TIMEOUTS) -> Iterator[Place]:
        with (
            sftp_server(folder, kind) as server,
            closing(sftp_storage(server, timeouts=timeouts)) as storage,
        ):
            yield Place(storage, f"{server.url_with_password}{folder}")

    return serving
