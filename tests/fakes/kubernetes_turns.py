"""A kubelet and launchers for pods of several steps, over the fake cluster.

The kubelet starts the init containers one after the other, then the others at once. The
launcher of each waits for its turn as its options say; see its README.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from fakes.kubernetes_cluster import FakeCluster
from fakes.taskmaster_reports import make_report
from tesk_kubernetes.api import JsonObject
from tesk_kubernetes.pods import container_state

_TIME = "2026-01-01T00:00:00Z"
_RUNNING: JsonObject = {"running": {"startedAt": _TIME}}
_TERM = 143

Program = Callable[[JsonObject, JsonObject], int | None]


@dataclass(frozen=True, slots=True)
class _Turn:
    """The options of a container's launcher."""

    container: JsonObject

    @property
    def name(self) -> str:
        return str(self.container["name"])

    @property
    def _options(self) -> Sequence[str]:
        args: Sequence[str] = self.container["args"]
        return args[: args.index("--")]

    def has(self, option: str) -> bool:
        return option in self._options

    def values(self, option: str) -> list[str]:
        words = self._options
        return [words[at + 1] for at, word in enumerate(words) if word == option]


@dataclass(slots=True)
class Turns:
    """Runs the steps of pods; a step whose program returns None hangs.

    Attributes:
        cluster: Where the pods are.
        program: Returns how the command of a container ends.
        report: Writes the report of a launcher.
        broken: Why containers of new pods cannot start, by name.
    """

    cluster: FakeCluster
    program: Program
    report: Callable[..., str] = make_report
    broken: dict[str, JsonObject] = field(default_factory=dict)
    _begun: set[tuple[str, str]] = field(default_factory=set)

    def begin(self, pod: JsonObject) -> None:
        """Run a new pod as far as it comes by itself."""
        waiting = {"waiting": {"reason": "PodInitializing"}}
        names = [each["name"] for each in _containers(pod)]
        states = {
            name: {"waiting": self.broken[name]} if name in self.broken else waiting
            for name in names
        }
        self.cluster.set_containers(pod, states, phase="Pending")
        self.advance(pod)

    def finish(
        self,
        pod: JsonObject,
        step: str,
        code: int = 0,
        *,
        reason: str = "",
        is_killed: bool = False,
    ) -> None:
        """Let a step that hangs end, and what waits for it go on.

        Args:
            pod: Whose.
            step: Its name.
            code: Of its command.
            reason: Of its container.
            is_killed: With its launcher, which leaves no report.
        """
        turn = next(_Turn(each) for each in _containers(pod) if each["name"] == step)
        message = "" if is_killed else self.report(code)
        shown = 0 if turn.has("--exit-zero") and not is_killed else code
        self._end(pod, step, shown, message=message, reason=reason)
        self.advance(pod)

    def advance(self, pod: JsonObject) -> None:
        """Do what kubelet and launchers do now, until there is nothing to do."""
        while self._step(pod):
            pass

    def _step(self, pod: JsonObject) -> bool:
        """Do one thing; tell whether there was one."""
        now = self.cluster.find(pod)
        if now is None or now["status"].get("phase") in ("Failed", "Succeeded"):
            return False
        starting = self._startable(now)
        if starting:
            states = dict.fromkeys(starting, _RUNNING)
            init = any(
                each["name"] in starting
                for each in now["spec"].get("initContainers", ())
            )
            self.cluster.set_containers(
                now, states, phase="Pending" if init else "Running"
            )
            return True
        return any(self._take_turn(now, _Turn(each)) for each in _containers(now))

    def _startable(self, pod: JsonObject) -> list[str]:
        """Return the containers that the kubelet starts now."""
        for each in pod["spec"].get("initContainers") or ():
            state = container_state(pod, each["name"])
            if "waiting" in state:
                return [each["name"]] if _may_start(state) else []
            if "running" in state:
                return []
            if (state.get("terminated") or {}).get("reason") == "OOMKilled":
                return []  # a failure, whatever its code, that no status shows
        return [
            each["name"]
            for each in pod["spec"]["containers"]
            if _may_start(container_state(pod, each["name"]))
        ]

    def _take_turn(self, pod: JsonObject, turn: _Turn) -> bool:
        key = (pod["metadata"]["uid"], turn.name)
        before = turn.values("--after")
        if "running" not in container_state(pod, turn.name) or key in self._begun:
            return False
        if not all("terminated" in container_state(pod, each) for each in before):
            return False
        self._begun.add(key)
        passed = all(self._has_passed(pod, each) for each in before)
        needed = all(
            self._has_passed(pod, each) for each in turn.values("--unless-failed")
        )
        if not (needed and (passed or turn.has("--even-if-failed"))):
            self._end(pod, turn.name, 0, message=self.report(0, skipped=True))
            return True
        code = self._run(pod, turn)
        if code is not None:
            self.finish(pod, turn.name, code)
        return True

    def _run(self, pod: JsonObject, turn: _Turn) -> int | None:
        tries = 1 + int((turn.values("--restarts") or ["0"])[0])
        final = {0, *map(int, turn.values("--final-code"))}
        code: int | None = 0
        for _ in range(tries):
            code = self.program(pod, turn.container)
            if code is None or code in final:
                break
        return code

    def _has_passed(self, pod: JsonObject, step: str) -> bool:
        turn = next(_Turn(each) for each in _containers(pod) if each["name"] == step)
        ended = container_state(pod, step).get("terminated") or {}
        message = str(ended.get("message", ""))
        if not message:  # killed with its launcher
            return turn.has("--ignore-error")
        if '"skipped": true' in message:
            return False
        return turn.has("--ignore-error") or '"exit_code": 0' in message

    def _end(
        self, pod: JsonObject, step: str, code: int, *, message: str, reason: str = ""
    ) -> None:
        ended: dict[str, Any] = {
            "exitCode": code,
            "reason": reason or ("Error" if code else "Completed"),
            "message": message,
            "startedAt": _TIME,
            "finishedAt": _TIME,
        }
        now = self.cluster.find(pod)
        if now is None:
            return
        others = [
            container_state(now, each["name"])
            for each in now["spec"]["containers"]
            if each["name"] != step
        ]
        init = any(
            each["name"] == step for each in now["spec"].get("initContainers") or ()
        )
        codes = [
            code,
            *((each.get("terminated") or {}).get("exitCode") for each in others),
        ]
        phase = now["status"]["phase"]
        if init and code:
            phase = "Failed"
        elif not init and all("terminated" in each for each in others):
            phase = "Failed" if any(codes) else "Succeeded"
        self.cluster.set_containers(now, {step: {"terminated": ended}}, phase=phase)


def is_of_steps(pod: JsonObject) -> bool:
    """Tell whether the containers of a pod are steps."""
    return all(each["name"] != "main" for each in pod["spec"]["containers"])


def _may_start(state: Any) -> bool:
    return (state.get("waiting") or {}).get("reason") == "PodInitializing"


def _containers(pod: JsonObject) -> Iterator[JsonObject]:
    """Yield the containers with a launcher that takes turns."""
    spec = pod["spec"]
    for each in (*(spec.get("initContainers") or ()), *spec["containers"]):
        if "--turn" in (each.get("args") or ()):
            yield each
