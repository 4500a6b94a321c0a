"""A cache that real filers share, whatever becomes of its files, its disk and them."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from fakes.filer_process import FilerRun
from fakes.filer_scheduler import TransferRecord, transfer_server
from programs.namespaces import mount_namespace
from servers.http import HttpFiles, http_server
from tesk_model.task import Input

GENOME = b"ACGT" * 500_000


@pytest.fixture
def web() -> Iterator[HttpFiles]:
    with http_server() as server:
        server.files["/hg38.fa"] = GENOME
        yield server


@dataclass
class Tasks:
    """Tasks with the same input, each with a volume of its own."""

    folder: Path
    web: HttpFiles
    stack: ExitStack
    environ: dict[str, str] = field(default_factory=dict)
    records: list[TransferRecord] = field(default_factory=list)

    @property
    def cache(self) -> Path:
        """The folder that their filers share."""
        return self.folder / "cache"

    def start(self, owner: str = "") -> "tuple[subprocess.Popen[str], Path]":
        """Start the filer of one more task; return it and where the input arrives."""
        record = self.stack.enter_context(transfer_server(TransferRecord(owner=owner)))
        record.inputs = (Input(path="/in/hg38.fa", url=f"{self.web.url}/hg38.fa"),)
        folder = self.folder / f"task-{len(self.records)}"
        folder.mkdir()
        self.records.append(record)
        run = FilerRun(
            folder,
            environ={
                "TESK_FILER_CACHE_BYTES": "10000000",
                "TESK_FILER_CACHE_FOLDER": str(self.cache),
                "TESK_FILER_CACHE_FROM": "1",
                **self.environ,
            },
        )
        process = self.stack.enter_context(run.start(record, "inputs"))
        self.stack.callback(process.kill)
        return process, run.volume / "in" / "hg38.fa"

    def bring(self, owner: str = "") -> str:
        """Run the filer of one more task; return from where the input came."""
        return self.finish(*self.start(owner))

    def finish(self, process: "subprocess.Popen[str]", arrived: Path) -> str:
        """Wait for a filer that succeeds; return from where the input came."""
        _, log = process.communicate(timeout=60)
        assert process.returncode == 0, log
        assert arrived.read_bytes() == GENOME
        record = self.records[int(arrived.parents[2].name.removeprefix("task-"))]
        return ",".join(each.scheme for each in record.result.moved if each.files)

    def gets(self) -> int:
        """Return how often the file was asked for."""
        return sum(method == "GET" for method, _ in self.web.requests)

    def entries(self) -> list[Path]:
        """Return the files of the cache."""
        return list((self.cache / "entries").glob("*/content"))


@pytest.fixture
def tasks(tmp_path: Path, web: HttpFiles) -> Iterator[Tasks]:
    with ExitStack() as stack:
        yield Tasks(tmp_path, web, stack)


def test_owners_at_once_share_what_everybody_may_read(tasks: Tasks) -> None:
    started = [tasks.start("ada"), tasks.start("bob")]

    came = sorted(tasks.finish(*each) for each in started)

    assert came == ["cache", "http"]
    assert tasks.gets() == len(tasks.entries()) == 1


def test_owners_at_once_do_not_share_what_needs_credentials(tasks: Tasks) -> None:
    tasks.web.user, tasks.web.password = "ada", "s3cr3t"
    netrc = tasks.folder / "netrc"
    netrc.write_text("machine 127.0.0.1 login ada password s3cr3t")
    tasks.environ["NETRC"] = str(netrc)
    started = [tasks.start("ada"), tasks.start("bob")]

    came = [tasks.finish(*each) for each in started]

    assert came == ["http", "http"]
    assert tasks.gets() == len(tasks.entries()) == 2
    assert tasks.bring("bob") == "cache"
    assert tasks.bring("eve") == "http"


def link_elsewhere(entry: Path) -> None:
    """Replace a file by a link."""
    entry.unlink()
    entry.symlink_to("/etc/hostname")


DAMAGES: dict[str, Callable[[Path], object]] = {
    "a changed byte": lambda entry: entry.write_bytes(b"T" + GENOME[1:]),
    "a cut file": lambda entry: os.truncate(entry, len(GENOME) // 2),
    "a longer file": lambda entry: entry.write_bytes(GENOME + b"T"),
    "no description": lambda entry: (entry.parent / "about.json").unlink(),
    "no file": lambda entry: entry.unlink(),
    "a link to another file": link_elsewhere,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_entry_is_replaced(tasks: Tasks, damage: str) -> None:
    assert tasks.bring() == "http"
    (entry,) = tasks.entries()
    DAMAGES[damage](entry)

    assert tasks.bring() == "http"
    assert tasks.bring() == "cache"


# A disk of its own, which nobody else sees, and on it a filer in place of this program.
ON_A_SMALL_DISK = """
import os, subprocess, sys
disk, size, *command = sys.argv[1:]
subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", disk], check=True)
os.execv(command[0], command)
"""


def test_a_full_disk_of_the_cache_costs_nothing_but_the_copy(tasks: Tasks) -> None:
    tasks.cache.mkdir()
    run = FilerRun(
        tasks.folder,
        environ={
            "TESK_FILER_CACHE_BYTES": "10000000",
            "TESK_FILER_CACHE_FOLDER": str(tasks.cache),
            "TESK_FILER_CACHE_FROM": "1",
        },
        launcher=(
            *(*mount_namespace(), sys.executable, "-c", ON_A_SMALL_DISK),
            *(str(tasks.cache), "1m"),
        ),
    )
    record = tasks.stack.enter_context(transfer_server(TransferRecord()))
    record.inputs = (Input(path="/hg38.fa", url=f"{tasks.web.url}/hg38.fa"),)

    code, log = run.run(record, "inputs")

    assert code == 0, log
    assert "the cache cannot be written" in log
    assert "No space left" in log
    assert (run.volume / "hg38.fa").read_bytes() == GENOME


def test_a_cache_that_is_removed_meanwhile_holds_nobody_up(tasks: Tasks) -> None:
    assert tasks.bring() == "http"
    started = [tasks.start() for _ in range(2)]
    shutil.rmtree(tasks.cache)

    assert {tasks.finish(*each) for each in started} <= {"cache", "http"}
    assert tasks.bring() in ("cache", "http")


CHURN = """
import os, random, sys
from datetime import timedelta
from pathlib import Path
from tesk_filer.adapters.file_cache import FileCache
from tesk_filer.domain.cache_keys import CacheKey
from tesk_filer.ports import Source

folder, seed, rounds = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
chance = random.Random(seed)
cache = FileCache(folder=folder, limit=300_000, timeout=timedelta(seconds=30), warn=print)
for _ in range(rounds):
    name = chance.choice("abcdef")
    content = name.encode() * 100_000
    key = CacheKey(name=name, size=len(content))
    with cache.open(key) as reader:
        if reader is not None:
            found = b""
            while data := reader.read(1000):
                found += data
            assert found == content, "other bytes"
            continue
    with cache.alone(key, lambda: None):
        file = os.memfd_create(name)
        os.write(file, content)
        source = Source(descriptor=file, size=len(content), executable=False, tag="")
        cache.keep(key, source, lambda _: None)
        os.close(file)
    if chance.random() < 0.5:
        cache.drop(key)
"""


def test_processes_that_add_read_drop_and_die_spoil_nothing(
    tasks: Tasks, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()

    def start(seed: str, rounds: int) -> "subprocess.Popen[str]":
        process = tasks.stack.enter_context(
            subprocess.Popen(
                [sys.executable, "-c", CHURN, cache, seed, str(rounds)],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
        tasks.stack.callback(process.kill)
        return process

    survivors = [start(f"s{number}", 100) for number in range(2)]
    victims = [start(f"v{number}", 1_000_000) for number in range(2)]
    for process in survivors:
        said, _ = process.communicate(timeout=120)
        assert (process.returncode, said) == (0, "")
    for process in victims:
        assert process.poll() is None
        process.kill()
        process.communicate(timeout=30)

    last = start("last", 50)
    said, _ = last.communicate(timeout=60)
    assert (last.returncode, said) == (0, "")
    contents = list((cache / "entries").glob("*/content"))
    assert sum(each.stat().st_size for each in contents) <= 300_000
    assert len(list((cache / "partial").iterdir())) == 0
