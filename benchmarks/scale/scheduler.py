"""A real scheduler whose taskmasters are simulated by somebody else.

``python scheduler.py FILE``: each taskmaster that starts is a line of FILE, and each that
ends another one, with a minus; the process that simulates them reads it.
"""

import os
import sys
from collections.abc import Collection
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from tesk_runtime import logs
from tesk_runtime.sections import read_token
from tesk_runtime.settings import load
from tesk_runtime.shutdown import stop_on_signals
from tesk_scheduler.config import Settings
from tesk_scheduler.main import serve
from tesk_scheduler.wiring import open_dependencies


def names_in(file: Path) -> set[str]:
    """Return the taskmasters that started and have not ended."""
    lines = set(file.read_text("ascii").split())
    ends = {line for line in lines if line.startswith("-")}
    return lines - ends - {line[1:] for line in ends}


def note(file: Path, line: str) -> None:
    """Append a line."""
    with file.open("a", encoding="ascii") as opened:
        opened.write(f"{line}\n")


class SimulatedLauncher:
    """See ``TaskmasterLauncher``; several schedulers may share the file."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def revision(self) -> str:
        """Return the only one."""
        return "simulated"

    def launch(self, taskmaster_id: str) -> None:
        """Append its name."""
        note(self._file, taskmaster_id)

    def alive(self) -> Collection[str]:
        """List what was appended and has not ended."""
        return names_in(self._file)

    def ended(self) -> Collection[str]:
        """List none."""
        return ()

    def may_act(self, taskmaster_id: str) -> bool:
        """Return False: all that are simulated live."""
        del taskmaster_id
        return False

    def was_disrupted(self, taskmaster_id: str) -> bool:
        """Return False: all that are simulated live."""
        del taskmaster_id
        return False

    def kill(self, taskmaster_id: str) -> None:
        """Note its end."""
        note(self._file, f"-{taskmaster_id}")

    def status_message(self, taskmaster_id: str) -> str:
        """Return nothing."""
        del taskmaster_id
        return ""


def main() -> None:
    """Run until SIGTERM."""
    settings = load(Settings, os.environ)
    logs.configure("scheduler", settings.log)
    token = read_token(settings.grpc.token_file)
    stop = stop_on_signals()
    with ExitStack() as stack:
        opened = open_dependencies(settings, os.environ, token=token, closing=stack)
        launcher = SimulatedLauncher(Path(sys.argv[1]))
        serve(settings, replace(opened, launcher=launcher), stop)


if __name__ == "__main__":
    main()
