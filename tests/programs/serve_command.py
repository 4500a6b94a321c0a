"""Runs ``tesk serve`` and other commands as processes."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from programs.containers import remove_containers
from programs.ports import free_port
from programs.stack import find_processes
from programs.waiting import eventually

TESK = (sys.executable, "-P", "-m", "tesk_cli")


@dataclass(frozen=True)
class Serving:
    """A folder in which commands run, with the environment that they use."""

    folder: Path
    environ: Mapping[str, str]
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def url(self) -> str:
        document = json.loads((self.home / "serve.json").read_text())
        return str(document["url"])

    def tesk(
        self, *arguments: str, stdin: str = "", cwd: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command and wait for its end."""
        return subprocess.run(
            [*TESK, *arguments],
            cwd=cwd or self.folder,
            env=self.environ,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )

    def start(self) -> subprocess.Popen[str]:
        """Start ``tesk serve``; return when it is ready."""
        with (self.folder / "serve.log").open("a") as log:
            process = subprocess.Popen(
                [*TESK, "serve"],
                cwd=self.folder,
                env=self.environ,
                stdout=log,
                stderr=log,
                text=True,
            )

        self.started.append(process)

        def ready() -> bool:
            assert process.poll() is None, (self.folder / "serve.log").read_text()
            announced = self.home / "serve.json"
            # A server that was killed has left its announcement.
            return announced.exists() and f": {process.pid}}}" in announced.read_text()

        eventually(ready, what="tesk serve")
        return process


def serving(
    folder: Path, *, roots: Sequence[Path] = (), engine: str = "sandbox"
) -> Serving:
    """Return a folder in which ``tesk`` keeps to itself."""
    environ = {key: value for key, value in os.environ.items() if "TESK" not in key}
    environ |= {
        "TESK_HOME": str(folder / "home"),
        "TESK_ENGINE": engine,
        "TESK_FILE_ROOTS": ":".join(map(str, (folder, *roots))),
        "PORT": str(free_port()),
        "TERM": "dumb",
    }
    return Serving(folder, environ)


@contextlib.contextmanager
def served(
    folder: Path, *, roots: Sequence[Path] = (), engine: str = "sandbox"
) -> Iterator[Serving]:
    """Give a folder with a running server; everything of it ends with the block."""
    place = serving(folder, roots=roots, engine=engine)
    process = place.start()
    try:
        yield place
    finally:
        process.terminate()
        process.wait(60)
        end_leftovers(place)


def end_leftovers(place: Serving) -> None:
    """End servers, and what outlives them: taskmasters and what they run."""
    for process in place.started:
        process.kill()
        process.wait()
    for pid in find_processes("", place.home):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, 9)
    if place.environ["TESK_ENGINE"] == "container":
        remove_containers(place.environ, place.home)
