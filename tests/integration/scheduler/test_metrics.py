"""Metrics tell what is going on."""

from prometheus_client import CollectorRegistry

from scheduler_rig import Rig
from tesk_scheduler.adapters.metrics import StoreCollector


def test_tasks_and_taskmasters_are_counted(rig: Rig) -> None:
    registry = CollectorRegistry()
    registry.register(StoreCollector(rig.store))
    rig.create(5)
    rig.launched(2)

    def value(name: str) -> float | None:
        return registry.get_sample_value(f"tesk_scheduler_{name}")

    rig.eventually(lambda: value("tasks_running") == 4)
    assert value("tasks_queued") == 1
    assert value("cpu_used_cores") == 4
    assert value("taskmasters") == 2
    assert value("taskmaster_slots_free") == 0
    assert value("store_up") == 1
