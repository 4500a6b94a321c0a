"""A kubelet and launchers for pods of several steps, over the fake cluster.

The kubelet starts the init containers one after the other, then the others at once. The
launcher of each waits for its turn as its options say; see its README. A container of
two steps does the second when its turn comes.
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
    def steps(self) -> list[str]:
        """One, or both that the container has."""
        return self.values("--turn") + self.values("--then")

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
        succeeded: Hears of inputs that have arrived though their filer stays.
        broken: Why containers of new pods cannot start, by name.
    """

    cluster: FakeCluster
    program: Program
    report: Callable[..., str] = make_report
    broken: dict[str, JsonObject] = field(default_factory=dict)
    succeeded: Callable[[JsonObject], object] = lambda _pod: None
    _begun: set[tuple[str, str]] = field(default_factory=set)
    _passed: set[tuple[str, str]] = field(default_factory=set)

    def begin(self, pod: JsonObject) -> None:
        """Run a new pod as far as it comes by itself."""
        waiting = {"waiting": {"reason": "PodInitializing"}}
        states: dict[str, JsonObject] = {}
        for turn in map(_Turn, _containers(pod)):
            broken = next(
                (self.broken[s] for s in turn.steps if s in self.broken), None
            )
            states[turn.name] = {"waiting": broken} if broken else waiting
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
        turn = _turn_of(pod, step)
        told = {"turn": step} if len(turn.steps) > 1 else {}
        message = "" if is_killed else self.report(code, **told)
        shown = 0 if turn.has("--exit-zero") and not is_killed else code
        if step != turn.steps[-1] and not (code or is_killed):
            self._passed.add((pod["metadata"]["uid"], step))
            self.succeeded(pod)
        else:
            self._end(pod, turn.name, shown, message=message, reason=reason)
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
        return any(
            self._take_turn(now, turn, step)
            for turn in map(_Turn, _containers(now))
            for step in turn.steps
        )

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

    def _take_turn(self, pod: JsonObject, turn: _Turn, step: str) -> bool:
        key = (pod["metadata"]["uid"], step)
        if "running" not in container_state(pod, turn.name) or key in self._begun:
            return False
        first = [each for each in turn.steps if each != step and turn.steps[-1] == step]
        before = [*first, *(turn.values("--after") if step == turn.steps[-1] else ())]
        if not all(self._is_over(pod, each) for each in before):
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
            self.finish(pod, step, code)
        return True

    def _is_over(self, pod: JsonObject, step: str) -> bool:
        ended = "terminated" in container_state(pod, _turn_of(pod, step).name)
        return ended or (pod["metadata"]["uid"], step) in self._passed

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
        if (pod["metadata"]["uid"], step) in self._passed:
            return True
        turn = _turn_of(pod, step)
        ended = container_state(pod, turn.name).get("terminated") or {}
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


def _turn_of(pod: JsonObject, step: str) -> _Turn:
    """Return the launcher's options of the container that has a step."""
    return next(turn for turn in map(_Turn, _containers(pod)) if step in turn.steps)


def _may_start(state: Any) -> bool:
    return (state.get("waiting") or {}).get("reason") == "PodInitializing"


def _containers(pod: JsonObject) -> Iterator[JsonObject]:
    """Yield the containers with a launcher that takes turns."""
    spec = pod["spec"]
    for each in (*(spec.get("initContainers") or ()), *spec["containers"]):
        if "--turn" in (each.get("args") or ()):
            yield each
