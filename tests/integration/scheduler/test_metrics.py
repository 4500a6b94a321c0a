"""Metrics expose tasks, taskmasters and the build."""

from importlib.metadata import version

from prometheus_client import CollectorRegistry

from schedulers.served import RunningScheduler
from tesk_scheduler.adapters.metrics import StoreCollector
from tesk_scheduler.usecases.status import Status


def test_tasks_and_taskmasters_are_counted(running: RunningScheduler) -> None:
    registry = CollectorRegistry()
    registry.register(
        StoreCollector(running.store, running.launcher.revision, Status())
    )
    running.create(5)
    running.launched(2)

    def value(name: str) -> float | None:
        return registry.get_sample_value(f"tesk_scheduler_{name}")

    running.eventually(lambda: value("tasks_running") == 4)
    assert value("tasks_queued") == 1
    assert value("cpu_used_cores") == 4
    assert value("taskmasters") == 2
    assert value("taskmaster_slots_free") == 0
    assert value("store_up") == 1


def test_the_build_and_outdated_taskmasters_are_exposed(
    running: RunningScheduler,
) -> None:
    registry = CollectorRegistry()
    registry.register(
        StoreCollector(running.store, running.launcher.revision, Status())
    )
    running.create(3)
    running.launched(2)

    running.launcher.present_revision = "next"

    build = {"version": version("tesk-scheduler"), "revision": "next"}
    assert registry.get_sample_value("tesk_build_info", build) == 1
    assert registry.get_sample_value("tesk_scheduler_taskmasters_outdated") == 2
    assert registry.get_sample_value("tesk_scheduler_taskmaster_slots_free") == 0
