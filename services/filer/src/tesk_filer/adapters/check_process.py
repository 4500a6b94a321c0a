"""Looks at places in a process of its own, which ends with the check.

As a filer sees no other task, so this one sees no other owner: what it was told of
credentials ends with it. What hangs, in whatever library, is killed in time.
"""

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from tesk_filer.adapters.check_frames import locations_to_wire, read_frames
from tesk_filer.domain.checks import Check, LocationsToCheck
from tesk_model.errors import InternalError


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckProcesses:
    """Satisfies ``LocationChecker``.

    Attributes:
        command: Reads what is to be looked at, and writes each result; gets the
            seconds after which it ends by itself as its last argument.
        environ: Of the process: the settings and credentials of filers.
    """

    command: Sequence[str]
    environ: Mapping[str, str]

    def check(
        self, wanted: LocationsToCheck, timeout: timedelta
    ) -> Mapping[str, Check]:
        """See ``LocationChecker``.

        Raises:
            InternalError: The process ended otherwise than by its work.
        """
        seconds = timeout.total_seconds()
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and modules
            [*self.command, f"{seconds:g}"],
            env=dict(self.environ),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        data = locations_to_wire(wanted).SerializeToString()
        try:
            output, _ = process.communicate(data, timeout=seconds)
        except subprocess.TimeoutExpired:
            _kill(process)
            output, _ = process.communicate()
        except BaseException:
            _kill(process)
            process.wait()
            raise
        else:
            if process.returncode:
                # It has logged why, and looked at nothing.
                raise InternalError("the process of a check has failed")
        return {check.field: check for check in read_frames(output)}


def _kill(process: subprocess.Popen[bytes]) -> None:
    # It has not been waited for, so that the id is still its own.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
