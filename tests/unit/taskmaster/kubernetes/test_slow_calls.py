"""A slow call to the API server delays no other attempt."""

import threading
from typing import Any, cast

from taskmasters.attempts import ATTEMPT, SECOND, SOON, CanceledError, ClusterHarness
from tesk_kubernetes.api import EVENTS, KubernetesApi, Listing, Resource


class SlowEvents:
    """A cluster whose events are told when the test says so."""

    def __init__(self, api: KubernetesApi) -> None:
        self.asked = threading.Event()
        self.may_answer = threading.Event()
        self._api = api

    def list(self, resource: Resource, namespace: str, **selectors: str) -> Listing:
        if resource == EVENTS:
            self.asked.set()
            self.may_answer.wait(30)
        return self._api.list(resource, namespace, **selectors)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._api, name)


def test_a_step_is_stopped_while_its_events_are_asked_for(
    harness: ClusterHarness,
) -> None:
    harness.let_pods(harness.cluster.unschedulable)
    harness.report_reason.until = "no node can take it"
    harness.prepare()
    try:
        harness.start()
    except CanceledError:
        harness.report_reason.until = ""
    slow = SlowEvents(harness.api)
    harness.runtimes.api = cast("KubernetesApi", slow)
    successor = harness.runtimes.open_runtime()
    successor.prepare(harness.plan, "token", harness.report_reason)
    start = threading.Thread(
        target=successor.start,
        args=(harness.plan, "x0", harness.report_reason),
        daemon=True,
    )
    start.start()
    assert slow.asked.wait(30)

    stop = threading.Thread(
        target=successor.stop, args=(ATTEMPT, "x0", SECOND), daemon=True
    )
    stop.start()
    stop.join(20)
    was_held_up = stop.is_alive()
    slow.may_answer.set()
    start.join(30)

    assert not was_held_up
    result = successor.wait(ATTEMPT, "x0", SOON)
    assert result is not None
    assert not result.error
