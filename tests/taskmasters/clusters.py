"""What steps of a cluster are observed by, over a cluster in memory."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from fakes.kubernetes_api import FakeKubernetesApi
from fakes.taskmaster_cluster_runtimes import make_settings, make_templates
from tesk_runtime.clock import SystemClock
from tesk_taskmaster.adapters.kubernetes.control.cache import ObjectCache
from tesk_taskmaster.adapters.kubernetes.control.cluster import Cluster
from tesk_taskmaster.adapters.kubernetes.control.informers import Informers
from tesk_taskmaster.adapters.kubernetes.control.query_pace import QueryPace
from tesk_taskmaster.adapters.kubernetes.control.retries import RetriedCalls


@dataclass
class HandClock(SystemClock):
    """A clock that a test sets."""

    at: datetime

    def now(self) -> datetime:
        """Return the time that it is set to."""
        return self.at

    def monotonic(self) -> float:
        """Return the same in seconds."""
        return self.at.timestamp()

    def pass_by(self, **time: float) -> None:
        """Let a time pass."""
        self.at += timedelta(**time)


def make_cluster(api: FakeKubernetesApi, clock: SystemClock) -> Cluster:
    """Return what a taskmaster has of a cluster; nothing is watched."""
    settings = make_settings()
    return Cluster(
        api=api,
        calls=RetriedCalls(api, clock, settings),
        informers=Informers(api, ObjectCache(), instance="test", taskmaster="tm0"),
        queries=QueryPace(clock=clock),
        templates=make_templates(),
        clock=clock,
        settings=settings,
    )
