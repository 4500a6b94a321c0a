"""Records why a command did not start.

The file ``verdict`` of a run holds the exit code and the message.
"""

import json

from tesk_taskmaster.adapters.sandbox.bubblewrap import StartFailure
from tesk_taskmaster.domain.executor_run import ExecutorRun

NOT_STARTED = 125  # the exit code of `docker run` for such failures


def write_start_failure(run: ExecutorRun, failure: StartFailure) -> None:
    """Record why the command of ``run`` did not start, also as its stderr."""
    (run.folder / "stderr").write_text(failure.message + "\n", "utf-8")
    part = run.folder / "verdict.part"
    part.write_text(
        json.dumps({"exit_code": failure.exit_code, "message": failure.message}),
        "utf-8",
    )
    part.replace(run.folder / "verdict")


def read_start_failure(run: ExecutorRun) -> StartFailure | None:
    """Return why the command of ``run`` did not start; None if that is unknown."""
    try:
        document = json.loads((run.folder / "verdict").read_text("utf-8"))
    except FileNotFoundError:
        return None
    return StartFailure(int(document["exit_code"]), str(document["message"]))
