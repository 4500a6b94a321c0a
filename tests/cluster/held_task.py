"""A task that a test can hold in each of its phases, and that shows every run."""

from collections.abc import Iterable
from typing import Any, Literal

from cluster.gated_storage import GatedStorage
from cluster.release import Release
from scenarios.scenario import Task, codes, logs, shell, system_logs

Phase = Literal["in", "x0", "out"]
PHASES: tuple[Phase, ...] = ("in", "x0", "out")

# Counts its runs in the volume, makes a file that no other run makes, and waits.
_SCRIPT = (
    "echo run >> /vol/count; id=$(cat /proc/sys/kernel/random/uuid); "
    "echo $id > /out/run-$id; echo started; touch /vol/started; "
    'while [ "$1" = hold ] && [ ! -e /vol/go ]; do sleep 0.2; done; cat /vol/count'
)
_STARTED = "until [ -e /vol/started ]; do sleep 0.1; done"


class HeldTask:
    """One task with an input and an output, whose phases can be held back."""

    def __init__(
        self,
        release: Release,
        gated_storage: GatedStorage,
        key: str,
        *,
        hold: Iterable[Phase],
    ) -> None:
        """Submit it; it stops in each phase of ``hold`` until ``resume``."""
        self.release = release
        self._gated_storage = gated_storage
        self._key = f"{release.namespace}-{key}"
        self._held = set(hold)
        gated_storage.put(f"{self._key}-in/a", b"input")
        for phase in self._held & {"in", "out"}:
            gated_storage.close(f"{self._key}-{phase}")
        self.task_id = release.create(self._body())

    def _body(self) -> Task:
        url = f"{self._gated_storage.url}/{self._key}"
        return {
            "volumes": ["/vol"],
            "inputs": [{"path": "/in/a", "url": f"{url}-in/a"}],
            "executors": [shell(_SCRIPT, "hold" if "x0" in self._held else "go")],
            "outputs": [{"path": "/out", "url": f"{url}-out", "type": "DIRECTORY"}],
        }

    def reach(self, phase: Phase, *, other_than: str = "") -> str:
        """Wait until it is held in ``phase``; return the name of its pod.

        Args:
            phase: Which.
            other_than: Uid of a pod that does not count.
        """
        pod = self.release.running_pod(self.task_id, phase, other_than=other_than)
        if phase == "x0":
            self.release.execute(pod, "x0", "sh", "-c", _STARTED)
        else:
            self._gated_storage.wait_for_transfer(f"{self._key}-{phase}")
        return pod

    def resume(self, phase: Phase) -> None:
        """Let it continue from a phase."""
        if phase == "x0":
            pod = self.release.running_pod(self.task_id, "x0")
            self.release.execute(pod, "x0", "touch", "/vol/go")
        else:
            self._gated_storage.open(f"{self._key}-{phase}")

    def outputs(self) -> list[str]:
        """Return the names of its files in the storage."""
        return self._gated_storage.names(f"{self._key}-out/")

    def check_completed(
        self, *, within: float = 120, lost_uploads: int = 0
    ) -> dict[str, Any]:
        """Check that it completes with the output of one run, and leaves nothing.

        Args:
            within: Seconds.
            lost_uploads: Runs whose outputs were on their way when they were lost:
                the storage may have those, too, but the task does not tell of them.
        """
        task = self.release.finish(self.task_id, within)
        assert task["state"] == "COMPLETE", (task, self.release.describe(self.task_id))
        assert codes(task) == [0]
        printed = logs(task)[0]["stdout"]
        assert printed == "started\nrun\n", (printed, system_logs(task))
        stored = self.outputs()
        assert 1 <= len(stored) <= 1 + lost_uploads, stored
        (reported,) = [entry["url"] for entry in task["logs"][0]["outputs"]]
        assert reported in [f"{self._gated_storage.url}/{name}" for name in stored]
        self.release.wait_until_clean(self.task_id)
        return task

    def executor_starts(self) -> list[str]:
        """Return the pods in which the executor's container ever started."""
        return self.release.starts(self.task_id, "x0")


def job_of(pod: str) -> str:
    """Return the name of the Job that made a pod."""
    return pod.rpartition("-")[0]
