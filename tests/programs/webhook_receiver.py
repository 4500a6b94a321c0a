"""The receiver of webhooks that the documents show, as a process."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from programs.waiting import eventually

PROGRAM = Path(__file__).parents[2] / "examples" / "webhooks" / "receiver.py"


class WebhookReceiver:
    """Keeps what it printed, also of a receiver before it at the same port.

    Args:
        folder: Has the file ``key`` with the secret; gets what was printed.
        port: At which it listens, on this machine.
    """

    def __init__(self, folder: Path, port: int) -> None:
        self._port = port
        self._printed = folder / f"events-{port}.jsonl"
        self._told = folder / f"receiver-{port}.log"
        with self._printed.open("ab") as printed, self._told.open("wb") as told:
            self._process = subprocess.Popen(
                [sys.executable, str(PROGRAM), str(folder / "key"), str(port)],
                stdout=printed,
                stderr=told,
            )

    @property
    def url(self) -> str:
        """Where it listens, as soon as it does."""
        return eventually(self._told.read_text, what="a receiver").strip()

    def events(self) -> list[dict[str, Any]]:
        """Return the events that it has verified, in the order printed."""
        *lines, _unfinished = self._printed.read_text("utf-8").split("\n")
        return [json.loads(line) for line in lines]

    def states(self, task_id: str) -> list[str]:
        """Return the states of one task that it heard of, in order."""
        return [
            each["data"]["state"]
            for each in self.events()
            if each["subject"] == task_id
        ]

    def end(self) -> None:
        """Kill it."""
        self._process.kill()
        self._process.wait()
