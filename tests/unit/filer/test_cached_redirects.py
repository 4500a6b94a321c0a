"""What was read with a credential that is not of its url is not for everybody."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import repeat
from pathlib import Path

import pytest

from fakes.filer_storage import MemoryReader, MemoryStorage
from simulations.transfer import Bench
from tesk_filer.adapters.file_cache import FileCache
from tesk_filer.adapters.manifest_file import ManifestFile
from tesk_filer.domain.credentials import BearerToken, Credential
from tesk_filer.domain.parts import MIB
from tesk_filer.ports import Part, Stat
from tesk_filer.usecases.transfer import ExitCode
from tesk_model.locations import Location
from tesk_model.task import Input

URL = "https://b.example.org/ref.fa"
CONTENT = b"ACGT" * 10


class RedirectedReader(MemoryReader):
    """What a url led to; satisfies ``ports.readers.Redirects``."""

    def __init__(self, there: MemoryReader, *, is_private: bool) -> None:
        super().__init__(there.read(there.size), there.size, f'"{there.etag}"')
        self.is_private = is_private


@dataclass
class RedirectingStorage(MemoryStorage):
    """Tells of each url whether it leads to where the owner's credential is sent.

    Attributes:
        asks: Where its status is asked for.
        opens: Where it is read, one after another.
    """

    asks: bool = False
    opens: tuple[bool, ...] = ()

    def stat(self, location: Location) -> Stat | None:
        found = super().stat(location)
        return found and replace(found, etag=f'"{found.etag}"', is_private=self.asks)

    @contextmanager
    def open(
        self, location: Location, *, part: Part | None = None, known: Stat | None = None
    ) -> Iterator[MemoryReader]:
        plain = known and replace(known, etag=known.etag.strip('"'))
        with super().open(location, part=part, known=plain) as reader:
            is_private, *rest = self.opens or (False,)
            self.opens = tuple(rest)
            yield RedirectedReader(reader, is_private=is_private)


def cache_in(folder: Path) -> FileCache:
    return FileCache(
        folder=folder / "cache",
        limit=100 * MIB,
        timeout=timedelta(seconds=30),
        warn=lambda _: None,
    )


def came(storage: MemoryStorage, folder: Path, *owners: str) -> list[str]:
    """Bring the file for tasks of owners; return from where each had it."""
    cache = cache_in(folder)
    schemes = []
    for number, owner in enumerate(owners):
        volume = folder / str(number)
        volume.mkdir()
        bench = Bench(volume, storage=storage, cache=cache, owner=owner)
        assert bench.bring(Input(path="/a", url=URL)) is ExitCode.OK
        schemes.append(bench.transfers.results[-1].moved[0].scheme)
    return schemes


ALICE_BOB_ALICE = ("alice", "bob", "alice")
LED = {
    "nowhere": ((False, ()), ["https", "cache", "cache"]),
    "from the question for its status": ((True, ()), ["https", "https", "cache"]),
    "from the file alone": ((False, (True,)), ["https", "https", "cache"]),
}


@pytest.mark.parametrize(("led", "want"), LED.values(), ids=LED)
def test_who_shares_a_file_by_where_its_url_leads(
    tmp_path: Path, led: tuple[bool, tuple[bool, ...]], want: list[str]
) -> None:
    asks, opens = led
    storage = RedirectingStorage(files={URL: CONTENT}, asks=asks, opens=opens)

    assert came(storage, tmp_path, *ALICE_BOB_ALICE) == want


def test_without_owners_it_is_for_nobody(tmp_path: Path) -> None:
    storage = RedirectingStorage(files={URL: CONTENT}, asks=True)

    assert came(storage, tmp_path, "", "") == ["https", "https"]


RESUMED: dict[str, tuple[type[MemoryStorage], str, Credential | None, int]] = {
    "as it may have been led elsewhere": (RedirectingStorage, URL, None, 0),
    "unless it is the owner's anyway": (
        RedirectingStorage,
        URL,
        BearerToken(token="x"),
        1,
    ),
    "unless nobody is led there": (MemoryStorage, "s3://b/ref.fa", None, 1),
}


@pytest.mark.parametrize(
    ("kind", "url", "credential", "kept"), RESUMED.values(), ids=RESUMED
)
def test_a_file_of_which_an_earlier_filer_brought_parts_is_not_for_everybody(
    opened: Callable[..., ManifestFile],
    tmp_path: Path,
    kind: type[MemoryStorage],
    url: str,
    credential: Credential | None,
    kept: int,
) -> None:
    storage = kind(files={url: bytes(20 * MIB)})
    storage.cuts = {url: [17 * MIB, *[0] * 20]}
    bench = Bench(
        tmp_path / "volume",
        storage=storage,
        cache=cache_in(tmp_path),
        manifest=opened(),
        parts_from=1,
        seconds=repeat(0.0),
        credential=credential,
        owner="alice",
    )
    source = Input(path="/a", url=url)
    assert bench.bring(source) is ExitCode.TEMPORARY_FAILURE
    storage.cuts.clear()
    bench.manifest = opened()

    assert bench.bring(source) is ExitCode.OK

    assert bench.transfers.results[-1].resumed_bytes == 16 * MIB
    assert len(list(tmp_path.rglob("content"))) == kept
