"""Steps of one pod as processes of this machine, ordered by the launcher."""

import json
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from builders.tasks import file_in, file_out, make_assigned_task, make_executor
from programs.waiting import eventually
from tesk_model.names import Attempt
from tesk_model.task import TaskId
from tesk_taskmaster.adapters.kubernetes.manifests.turns import turn_options
from tesk_taskmaster.domain.layouts import Order
from tesk_taskmaster.domain.planning import plan_task

STEPS: Final = ("in", "x0", "x1", "out")

_LOGS = 'echo $STEP $TESK_AFTER >>"$ROOT/log"'


def step_options(name: str, order: Order) -> Sequence[str]:
    """Return what the launcher of a step gets."""
    task = make_assigned_task(
        inputs=(file_in("/work/a"),),
        executors=(make_executor(), make_executor()),
        outputs=(file_out("/work/b"),),
    )
    plan = plan_task(task, Attempt(TaskId("t1"), 1))
    return turn_options(plan, name, order=order)


@dataclass(kw_only=True)
class Pod:
    """Launchers on one directory, each with a shell command.

    Attributes:
        root: Of its files: the directory of turns, reports, a log of the commands.
        logs: A command that adds its step and ``TESK_AFTER`` to the log.
        held: Likewise, which then waits to be released.
        order: In which the steps of the pod start.
    """

    binary: Path
    root: Path
    order: Order = Order.TOGETHER
    steps: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    logs: str = _LOGS
    held: str = f'{_LOGS}; read line <"$ROOT/gate-$STEP"'

    def __enter__(self) -> Self:
        self.turns.mkdir()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for step in self.steps.values():
            with suppress(ProcessLookupError):
                os.killpg(step.pid, signal.SIGKILL)  # of orphans as well
            step.wait(60)

    @property
    def turns(self) -> Path:
        """The directory that the launchers share."""
        return self.root / "turns"

    def start(
        self, name: str, command: str, *options: str, user: int | None = None
    ) -> None:
        """Start a step."""
        gate = self.root / f"gate-{name}"
        if not gate.exists():
            os.mkfifo(gate)
        self.steps[name] = subprocess.Popen(
            [
                self.binary,
                *step_options(name, self.order),
                *("--turns", self.turns),
                *options,
                *("--report", self.root / f"report-{name}", "--", "sh", "-c", command),
            ],
            env=self._environment(name),
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            user=user,
        )

    def _environment(self, name: str) -> Mapping[str, str]:
        return {"PATH": os.environ["PATH"], "ROOT": str(self.root), "STEP": name}

    def release(self, name: str) -> None:
        """Let a held command end."""
        (self.root / f"gate-{name}").write_text("go\n")

    def wait(self, name: str) -> int:
        """Return the exit code of a step when it has ended."""
        return self.steps[name].wait(60)

    def kill(self, name: str) -> None:
        """Kill the launcher of a step."""
        self.steps[name].kill()
        self.steps[name].wait(60)

    def pause(self, name: str) -> None:
        """Keep the launcher of a step from the processor."""
        self.steps[name].send_signal(signal.SIGSTOP)

    def resume(self, name: str) -> None:
        """Let it go on."""
        self.steps[name].send_signal(signal.SIGCONT)

    def wait_for_begun(self, *names: str) -> None:
        """Wait until the launchers of steps have begun."""
        eventually(lambda: all((self.turns / f"{n}.begun").exists() for n in names))

    def log(self) -> list[str]:
        """Return what the commands logged."""
        path = self.root / "log"
        return path.read_text().splitlines() if path.exists() else []

    def report(self, name: str) -> Any:
        """Return the report of a step."""
        return json.loads((self.root / f"report-{name}").read_text())

    def is_waiting(self, name: str) -> bool:
        """Tell whether a launcher sleeps and has no command."""
        process = Path(f"/proc/{self.steps[name].pid}")
        children = (process / f"task/{process.name}/children").read_text()
        state = (process / "stat").read_text().rpartition(")")[2].split()[0]
        return state == "S" and not children

    def switches(self, name: str) -> list[str]:
        """Return how often the launcher of a step got the processor and lost it."""
        status = Path(f"/proc/{self.steps[name].pid}/status").read_text()
        return [line for line in status.splitlines() if "ctxt_switches" in line]
