"""The transfers of one process: one, or in a pod of all steps both, each in its turn.

The launcher starts such a filer once. Between its transfers it holds what Python has
loaded, and nothing else: no connection, no credentials, no thread that does anything.
"""

import ctypes
import gc
import os
from collections.abc import Callable, Mapping
from contextlib import suppress

from tesk_filer.usecases.transfer import ExitCode

BOTH = "both"
"""The direction in which inputs move, and outputs when their turn comes."""

INPUTS, OUTPUTS = "inputs", "outputs"

# Of the launcher; see its README.
_STEP = "TESK_TURN"
_CHANNEL = "TESK_TURN_CHANNEL"
_AFTER = "TESK_AFTER"
_OUTPUTS_STEP = "out"

RunTransfer = Callable[[str, bool], ExitCode]
"""Runs the transfer of a direction; tells whether the steps before have passed."""


def run_in_turn(direction: str, environ: Mapping[str, str], run: RunTransfer) -> int:
    """Run the transfers of a process, and return its exit code.

    Args:
        direction: As the settings have it.
        environ: Of the process, where the launcher says whose turn it is.
        run: Runs one.
    """
    passed = environ.get(_AFTER) != "failed"
    if direction != BOTH:
        return run(direction, passed)
    if environ.get(_STEP) == _OUTPUTS_STEP:
        return run(OUTPUTS, passed)
    code = run(INPUTS, passed)
    if code or _CHANNEL not in environ:
        return code
    after = _await_turn(int(environ[_CHANNEL]))
    return run(OUTPUTS, after != b"failed") if after else code


def _await_turn(channel: int) -> bytes:
    """Tell the launcher that inputs have arrived, and wait for the turn of outputs.

    Returns:
        How the steps between ended: ``passed`` or ``failed``; empty: no turn comes.
    """
    _release_memory()
    try:
        os.write(channel, b"1")
        return os.read(channel, 64)
    except OSError:
        return b""  # the launcher is gone


def _release_memory() -> None:
    gc.collect()
    with suppress(AttributeError, OSError):  # musl has none, and keeps less
        ctypes.CDLL(None).malloc_trim(0)
