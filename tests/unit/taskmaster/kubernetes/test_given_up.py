"""A step is given up by what the cluster says of it then, not by what it once said."""

from datetime import UTC, datetime

import pytest

from fakes.kubernetes_api import FakeKubernetesApi
from fakes.kubernetes_faults import no_right
from taskmasters.clusters import HandClock, make_cluster
from taskmasters.pods import BEGUN, EXECUTOR, happened, seen, waits
from tesk_kubernetes.api import (
    EVENTS,
    JOBS,
    PODS,
    ApiUnavailableError,
    JsonObject,
    RefusedError,
)
from tesk_model.reasons import ReasonCode
from tesk_taskmaster.adapters.kubernetes.control.cache import AttemptObjects
from tesk_taskmaster.adapters.kubernetes.control.concluded import ConcludedTransfers
from tesk_taskmaster.adapters.kubernetes.control.step import Step
from tesk_taskmaster.adapters.kubernetes.control.step_objects import StepObjects
from tesk_taskmaster.adapters.kubernetes.status.observations import (
    Ended,
    Judgement,
    Snapshot,
    Waiting,
)

CREATING = seen("runs", waits("ContainerCreating"))
FAILING = seen("runs", waits("ImagePullBackOff", "503 Service Unavailable"))


class Scene:
    """A step that has waited for some time, of which its cluster was asked once."""

    def __init__(self, found: Snapshot = CREATING, *, has_pod: bool = True) -> None:
        self.api, self.cached = FakeKubernetesApi(), AttemptObjects()
        self.clock = HandClock(BEGUN)
        self.cluster = make_cluster(self.api, self.clock)
        assert found.job is not None
        assert found.pod is not None
        metadata = found.pod["metadata"]
        self.namespace, self.pod_uid = metadata["namespace"], metadata["uid"]
        job = found.job
        if has_pod:
            key = (PODS.plural, metadata["name"], 0)
            self.cached.put(key, found.pod)
        else:
            job = self.api.plant(JOBS, self.namespace, job)
        self.objects = StepObjects(
            self.cluster,
            self.cached,
            job,
            namespace=self.namespace,
            is_adopted=False,
        )
        self.step = Step(
            self.cluster,
            self.objects,
            name="x1",
            subject=EXECUTOR,
            concluded=ConcludedTransfers(self.cached),
            before_wait=lambda: None,
        )
        self.clock.pass_by(seconds=10)
        assert isinstance(self.step.observe(), Waiting)

    def tell(self, event: JsonObject, uid: str = "") -> None:
        event["involvedObject"] = {"uid": uid or self.pod_uid}
        self.api.plant(EVENTS, self.namespace, event)

    def listed(self) -> int:
        return self.api.faults.calls["list", "events"]


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_a_pull_that_began_after_the_last_look_is_found(scene: Scene) -> None:
    scene.tell(happened("Pulling", "Pulling", at="2026-11-22T19:19:30Z"))
    scene.clock.pass_by(minutes=6)

    judged = scene.step.observe()

    assert isinstance(judged, Waiting)
    assert judged.reason.code == ReasonCode.IMAGE_PULLING


def test_a_node_that_tells_nothing_is_given_up(scene: Scene) -> None:
    scene.clock.pass_by(minutes=6)

    judged = scene.step.observe()

    assert isinstance(judged, Ended)
    assert judged.result.code == ReasonCode.NODE_UNRESPONSIVE


def test_while_the_cluster_does_not_say_why_nothing_is_given_up(scene: Scene) -> None:
    error = ApiUnavailableError("busy")
    scene.api.fail_next("list", EVENTS, error, times=100)
    scene.clock.pass_by(minutes=6)

    for _ in range(3):
        judged = scene.step.observe()
        scene.clock.pass_by(minutes=6)

        assert isinstance(judged, Waiting)
        assert judged.reason.code == ReasonCode.API_SERVER_UNREACHABLE
        assert judged.reason.text == "waiting for the Kubernetes API: busy"


def test_what_may_not_be_read_is_waited_for_until_that_is_certain(
    scene: Scene,
) -> None:
    scene.api.fail_next("list", EVENTS, no_right("list", EVENTS), times=100)
    scene.clock.pass_by(minutes=6)

    judged = scene.step.observe()
    assert isinstance(judged, Waiting)
    assert judged.reason.code == ReasonCode.API_SERVER_UNREACHABLE
    scene.clock.pass_by(minutes=1)
    assert isinstance(scene.step.observe(), Ended)


def test_refusals_with_answers_between_them_are_not_one_that_lasts(
    scene: Scene,
) -> None:
    for _ in range(3):
        scene.api.fail_next("list", EVENTS, no_right("list", EVENTS))
        assert scene.objects.query()
        scene.clock.pass_by(minutes=2)
        assert not scene.objects.query()


def test_what_the_cluster_refuses_to_tell_is_not_waited_for(scene: Scene) -> None:
    scene.api.fail_next("list", EVENTS, RefusedError("no such field"), times=100)
    scene.clock.pass_by(minutes=6)

    assert isinstance(scene.step.observe(), Ended)


def refuse(scene: Scene, why: str) -> None:
    """Let the Job controller have tried in vain now; what it told before expires."""
    for old in scene.api.all(EVENTS):
        scene.api.vanish(EVENTS, scene.namespace, old["metadata"]["name"])
    now = scene.clock.now()
    told = happened("FailedCreate", f"Error creating: {why}", at=now.isoformat())
    scene.tell(told, scene.objects.job_uid)


BACK_OFF = "Back-off pulling image"
TOLD: dict[str, tuple[str, type[Judgement]]] = {
    "since it failed for so long": ("2026-11-22T19:35:01Z", Ended),
    "before, and it may be pulled by now": ("2026-11-22T19:29:30Z", Waiting),
}


@pytest.mark.parametrize(("last", "kind"), TOLD.values(), ids=TOLD)
def test_a_pull_fails_for_as_long_as_its_node_told_so_last(
    last: str, kind: type[Judgement]
) -> None:
    scene = Scene(FAILING)
    failed = happened("Failed", 'Failed to pull image "x": 503', "2026-11-22T19:20:00Z")
    again = happened("BackOff", BACK_OFF, at=last)
    again["metadata"] = {"name": "again"}
    scene.tell(failed)
    scene.tell(again)
    scene.clock.at = datetime(2026, 11, 22, 19, 36, tzinfo=UTC)

    assert isinstance(scene.step.observe(), kind)


DENIED, FULL = "denied", "exceeded quota: q"


@pytest.mark.parametrize(
    ("between", "kind"), [(DENIED, Ended), (FULL, Waiting)], ids=["again", "others"]
)
def test_a_refusal_lasts_from_the_first_try_as_long_as_it_is_the_same(
    between: str, kind: type[Judgement]
) -> None:
    scene = Scene(has_pod=False)
    for why in (DENIED, between, DENIED):
        refuse(scene, why)
        scene.clock.pass_by(seconds=15)
        assert isinstance(scene.step.observe(), Waiting)
    scene.clock.pass_by(seconds=20)
    refuse(scene, DENIED)

    assert isinstance(scene.step.observe(), kind)


def test_a_refusal_is_not_there_for_as_long_as_it_is_not_told_again() -> None:
    scene = Scene(has_pod=False)
    refuse(scene, DENIED)
    scene.clock.pass_by(minutes=4)

    assert isinstance(scene.step.observe(), Waiting)
    refuse(scene, DENIED)
    scene.clock.pass_by(minutes=1)
    assert isinstance(scene.step.observe(), Ended)


def test_a_step_past_its_limit_is_asked_for_once_and_then_in_its_turn(
    scene: Scene,
) -> None:
    scene.api.fail_next("list", EVENTS, ApiUnavailableError("busy"), times=100)
    scene.clock.pass_by(minutes=6)
    with scene.cluster.queries.turn():
        asked = scene.listed()

        for _ in range(5):
            judged = scene.step.observe()
            assert isinstance(judged, Waiting)
            assert judged.reason.code == ReasonCode.API_SERVER_UNREACHABLE

        assert scene.listed() == asked + 1
