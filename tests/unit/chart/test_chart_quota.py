"""The quota of the values is the one that the scheduler loads."""

from datetime import timedelta

import msgspec

from charts.rendering import Values, needs_helm, render
from charts.settings import loaded_quota

pytestmark = needs_helm


def test_the_capacity_reaches_the_scheduler() -> None:
    reserve = {"cpu": 1, "ramGb": 2, "pods": 3}
    values: Values = {"quota": {"capacity": "unlimited", "nodeReserve": reserve}}

    quota = loaded_quota(values)

    assert quota.capacity == "unlimited"
    want = {"cpu": 1, "ram_gb": 2, "pods": 3, "gpu": 0}
    assert msgspec.to_builtins(quota.node_reserve) == want


def test_the_whole_quota_reaches_the_scheduler() -> None:
    limits = [
        {
            "match": {"group": "genomics"},
            "maxRunning": 500,
            "max": {"cpu": 2000, "gpuTypes": {"a100": 4}},
            "guaranteed": {"cpu": 500},
            "borrowing": {"cpu": 1000},
            "lending": {"cpu": 0},
            "weight": 2,
            "maxPriority": 100,
        },
        {"match": {"namespace": "team-a"}, "maxQueued": 10},
    ]
    values: Values = {
        "quota": {
            "limits": limits,
            "perTask": {"max": {"gpu": 2}, "maxExecutors": 9, "maxRuntime": "72h"},
            "order": "strict",
            "fairShare": {"halfLife": "12h", "resources": {"gpu": 4}},
            "rate": {"admitPerSecond": 20, "burst": 5},
            "priorities": {"urgent": 300},
        }
    }

    quota = loaded_quota(values)

    group, namespace = quota.limits
    assert (group.max.gpu_types, group.lending.cpu) == ({"a100": 4}, 0)
    assert namespace.max_queued == 10
    assert quota.per_task.max_runtime == timedelta(hours=72)
    assert quota.fair_share.half_life == timedelta(hours=12)
    assert quota.priorities == {"urgent": 300}


def test_a_change_of_the_quota_restarts_nothing() -> None:
    before, after = (
        render({"quota": {"users": {"*": {"running": count}}}}) for count in (1, 2)
    )

    changed = [one for one, other in zip(before, after, strict=True) if one != other]

    assert [(each["kind"], each["metadata"]["name"]) for each in changed] == [
        ("ConfigMap", "tesk-scheduler")
    ]
