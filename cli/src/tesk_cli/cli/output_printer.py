"""Prints the output of executors while it appears, each byte once."""

import sys
from typing import TextIO

from tesk_cli.domain.screen import encodable, for_terminal
from tesk_cli.domain.snapshot import ExecutorSnapshot, Snapshot
from tesk_cli.domain.tail import new_output, without_partial_character


class OutputPrinter:
    """Prints new output; called each time the task has changed."""

    def __init__(self, executor: int | None) -> None:
        """Print the output of one executor, or of all if that is None."""
        self._executor = executor
        self._printed: dict[tuple[int, str], str] = {}

    def __call__(self, task: Snapshot) -> None:
        """Print the output of ``task`` that was not printed yet."""
        for entry in task.executors:
            if self._executor in (None, entry.index):
                self._print(entry, "stdout", entry.stdout, sys.stdout)
                self._print(entry, "stderr", entry.stderr, sys.stderr)

    def _print(
        self, entry: ExecutorSnapshot, stream: str, text: str, target: TextIO
    ) -> None:
        key = (entry.index, stream)
        current = without_partial_character(text) if entry.exit_code is None else text
        new = encodable(new_output(self._printed.get(key, ""), current))
        # Programs get the bytes as they are; a terminal must not interpret them.
        target.write(for_terminal(new) if target.isatty() else new)
        target.flush()
        self._printed[key] = current
