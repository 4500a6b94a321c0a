"""Signals become an event, whatever the main thread does."""

import signal
import subprocess
import sys

import pytest

# Waits without an end, as a service does; the signal may come at any moment.
PROGRAM = """
from tesk_runtime.shutdown import stop_on_signals
stop = stop_on_signals()
print("ready", flush=True)
stop.wait()
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_that_comes_early_is_not_missed(number: signal.Signals) -> None:
    for _ in range(5):
        with subprocess.Popen(
            [sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            process.stdout.readline()

            process.send_signal(number)

            assert process.wait(100) == 0
