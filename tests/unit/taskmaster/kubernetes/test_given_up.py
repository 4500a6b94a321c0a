"""A step is given up by what the cluster says of it then, not by what it once said."""

import pytest

from fakes.kubernetes_api import FakeKubernetesApi
from taskmasters.clusters import HandClock, make_cluster
from taskmasters.pods import BEGUN, EXECUTOR, happened, seen, waits
from tesk_kubernetes.api import (
    EVENTS,
    JOBS,
    PODS,
    ApiUnavailableError,
    JsonObject,
    KubernetesError,
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
    Waiting,
)

CREATING = seen("runs", waits("ContainerCreating"))


class Scene:
    """A step that has waited for some time, of which its cluster was asked once."""

    def __init__(self, *, has_pod: bool = True) -> None:
        self.api, self.cached = FakeKubernetesApi(), AttemptObjects()
        self.clock = HandClock(BEGUN)
        assert CREATING.job is not None
        assert CREATING.pod is not None
        metadata = CREATING.pod["metadata"]
        self.namespace, self.pod_uid = metadata["namespace"], metadata["uid"]
        job = CREATING.job
        if has_pod:
            key = (PODS.plural, metadata["name"], "tm0")
            self.cached.put(key, CREATING.pod)
        else:
            job = self.api.plant(JOBS, self.namespace, job)
        self.objects = StepObjects(
            make_cluster(self.api, self.clock),
            self.cached,
            job,
            namespace=self.namespace,
            is_adopted=False,
        )
        self.step = Step(
            make_cluster(self.api, self.clock),
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


def test_what_may_not_be_read_is_not_waited_for(scene: Scene) -> None:
    error: KubernetesError = RefusedError("forbidden")
    scene.api.fail_next("list", EVENTS, error, times=100)
    scene.clock.pass_by(minutes=6)

    assert isinstance(scene.step.observe(), Ended)


def refuse(scene: Scene, why: str) -> None:
    """Let the Job controller have tried in vain now; what it told before expires."""
    for old in scene.api.all(EVENTS):
        scene.api.vanish(EVENTS, scene.namespace, old["metadata"]["name"])
    now = scene.clock.now()
    told = happened("FailedCreate", f"Error creating: {why}", at=now.isoformat())
    scene.tell(told, scene.objects.job_uid)


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

    assert isinstance(scene.step.observe(), kind)
