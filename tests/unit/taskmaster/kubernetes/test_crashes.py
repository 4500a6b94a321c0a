"""A taskmaster killed at any of its writes: a successor continues, nothing runs twice."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from builders.tasks import make_assigned_task, make_executor
from fakes.kubernetes_api import FakeKubernetesApi
from fakes.kubernetes_cluster import FakeCluster
from fakes.taskmaster_cluster_runtimes import ClusterRuntimes, Programs
from tesk_kubernetes.api import (
    CONFIG_MAPS,
    JOBS,
    PODS,
    SECRETS,
    VOLUME_CLAIMS,
    EventType,
    JsonObject,
    Propagation,
    Resource,
    WatchEvent,
)
from tesk_kubernetes.labels import STEP
from tesk_model.names import Attempt
from tesk_model.reasons import Reason
from tesk_model.task import Input, Output, TaskId
from tesk_taskmaster.adapters.kubernetes.runtime import KubernetesRuntime
from tesk_taskmaster.domain.planning import plan_task

ATTEMPT = Attempt(TaskId("c1"), 1)
GENEROUS = timedelta(seconds=30)
STEPS = ("in", "x0", "x1", "out")
KINDS = (SECRETS, VOLUME_CLAIMS, JOBS, PODS, CONFIG_MAPS)


class KilledError(BaseException):
    """The process is gone; nothing of it catches that."""


class MortalApi(FakeKubernetesApi):
    """Kills its caller at write ``kill_at``, before or after it is carried out."""

    def __init__(self) -> None:
        super().__init__()
        self.writes = 0
        self.kill_at: int | None = None
        self.is_carried_out = False

    def create(
        self, resource: Resource, namespace: str, body: Mapping[str, Any]
    ) -> JsonObject:
        with self._mortally():
            return super().create(resource, namespace, body)

    def delete(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        *,
        uid: str = "",
        grace: timedelta | None = None,
        propagation: Propagation = Propagation.BACKGROUND,
    ) -> bool:
        with self._mortally():
            return super().delete(
                resource,
                namespace,
                name,
                uid=uid,
                grace=grace,
                propagation=propagation,
            )

    @contextmanager
    def _mortally(self) -> Iterator[None]:
        is_last = self.writes == self.kill_at
        self.writes += 1
        if is_last and not self.is_carried_out:
            raise KilledError
        yield
        if is_last:
            raise KilledError


class Stage:
    """A cluster with one attempt, worked on by one taskmaster after another."""

    def __init__(self, *, shares: bool = True) -> None:
        self.api = MortalApi()
        self.programs = Programs(self.api, FakeCluster(self.api))
        self.runtimes = ClusterRuntimes(api=self.api, namespaces=["tasks"])
        self.made: Counter[str] = Counter()
        self.api.listeners.append(self._count)
        self.plan = plan_task(
            make_assigned_task(
                executors=(make_executor(command=("true",)),) * 2,
                inputs=(Input(path="/w/a", url="s3://b/a"),) if shares else (),
                outputs=(Output(path="/w/b", url="s3://b/b"),) if shares else (),
            ),
            ATTEMPT,
        )
        self.codes: dict[str, int] = {}
        self.is_over = False

    def _count(self, resource: Resource, event: WatchEvent) -> None:
        if resource == PODS and event.type is EventType.ADDED:
            self.made[event.object["metadata"]["labels"][STEP]] += 1

    def work(self) -> None:
        """Do what an attempt's thread does, as far as it was not done."""
        runtime = self.runtimes.open_runtime()
        if not self.is_over:
            self._run(runtime)
            self.is_over = True
        runtime.release(ATTEMPT)

    def _run(self, runtime: KubernetesRuntime) -> None:
        plan = replace(self.plan, has_results=bool(self.codes))
        runtime.prepare(plan, "token", report_reason)
        for step in STEPS if self.plan.has_volume else STEPS[1:3]:
            if step in self.codes:
                continue
            runtime.start(self.plan, step, report_reason)
            result = runtime.wait(ATTEMPT, step, GENEROUS)
            assert result is not None
            assert not result.error, result
            if step.startswith("x"):
                self.codes[step] = result.exit_code

    def work_until_killed(self, write: int, *, is_carried_out: bool) -> bool:
        """Work; tell whether it was killed."""
        self.api.writes, self.api.kill_at = 0, write
        self.api.is_carried_out = is_carried_out
        try:
            self.work()
        except KilledError:
            return True
        finally:
            self.api.kill_at = None
        return False

    def left(self) -> list[str]:
        return [body["kind"] for kind in KINDS for body in self.api.all(kind)]


def report_reason(_reason: Reason) -> None:
    """Nobody listens."""


@pytest.fixture
def make_stage() -> Iterator[Callable[..., Stage]]:
    stages: list[Stage] = []

    def make(*, shares: bool = True) -> Stage:
        stages.append(Stage(shares=shares))
        return stages[-1]

    yield make
    for stage in stages:
        stage.runtimes.close()


def all_writes(make_stage: Callable[..., Stage], *, shares: bool) -> int:
    stage = make_stage(shares=shares)
    stage.work()
    return stage.api.writes


@pytest.mark.parametrize("shares", [True, False])
@pytest.mark.parametrize("is_carried_out", [True, False])
def test_a_successor_carries_on_after_any_write(
    make_stage: Callable[..., Stage], is_carried_out: bool, shares: bool
) -> None:
    for write in range(all_writes(make_stage, shares=shares)):
        stage = make_stage(shares=shares)

        assert stage.work_until_killed(write, is_carried_out=is_carried_out)
        stage.work()

        assert set(stage.made.values()) == {1}, f"{stage.made} after write {write}"
        assert stage.codes == {"x0": 0, "x1": 0}
        assert stage.left() == []


def test_so_does_the_successor_of_a_successor(make_stage: Callable[..., Stage]) -> None:
    writes = all_writes(make_stage, shares=True)
    for first in range(writes):
        for second in range(writes + 1):
            stage = make_stage()

            stage.work_until_killed(first, is_carried_out=first % 2 == 0)
            stage.work_until_killed(second, is_carried_out=second % 2 == 1)
            stage.work()

            assert set(stage.made.values()) == {1}, f"{stage.made}: {first}, {second}"
            assert stage.left() == []


def test_an_attempt_in_hand_is_not_prepared_twice(
    make_stage: Callable[..., Stage],
) -> None:
    stage = make_stage()
    first, second = stage.runtimes.open_runtime(), stage.runtimes.open_runtime()
    first.prepare(stage.plan, "token", report_reason)
    first.start(stage.plan, "in", report_reason)
    second.prepare(stage.plan, "token", report_reason)
    second.start(stage.plan, "in", report_reason)

    assert stage.made == {"in": 1}
    assert len(stage.api.all(SECRETS)) == len(stage.api.all(VOLUME_CLAIMS)) == 1
