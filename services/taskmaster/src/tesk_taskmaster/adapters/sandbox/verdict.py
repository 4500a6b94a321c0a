"""Why a command never started, written down once for whoever asks later.

The file ``verdict`` of a run holds the exit code and the message.
"""

import json

from tesk_taskmaster.adapters.sandbox.bubblewrap import ExecFailure
from tesk_taskmaster.ports import ExecutorRun

NOT_STARTED = 125  # what `docker run` ends with for such failures


def write_verdict(run: ExecutorRun, failure: ExecFailure) -> None:
    """Keep why the command of ``run`` did not start, also as its stderr."""
    (run.folder / "stderr").write_text(failure.message + "\n", "utf-8")
    part = run.folder / "verdict.part"
    part.write_text(
        json.dumps({"exit_code": failure.exit_code, "message": failure.message}),
        "utf-8",
    )
    part.replace(run.folder / "verdict")


def read_verdict(run: ExecutorRun) -> ExecFailure | None:
    """Return why the command of ``run`` did not start; None if that is unknown."""
    try:
        known = json.loads((run.folder / "verdict").read_text("utf-8"))
    except FileNotFoundError:
        return None
    return ExecFailure(int(known["exit_code"]), str(known["message"]))
