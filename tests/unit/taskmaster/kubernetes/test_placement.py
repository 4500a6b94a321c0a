"""What of the task, its owner and the settings decides about queues and GPUs."""

import pytest

from tesk_kubernetes.settings import Gpu, KubernetesSettings
from tesk_taskmaster.adapters.kubernetes.manifests.placement import choose_nodes
from tesk_taskmaster.domain.plan import Placement

QUEUES = KubernetesSettings(
    queue="all",
    queues=("urgent",),
    group_queues={"genomics": "genomics", "imaging": "microscopes"},
)
ONLY_GROUPS = KubernetesSettings(group_queues={"genomics": "genomics"})

CHOSEN: dict[str, tuple[KubernetesSettings, dict[str, str], tuple[str, ...], str]] = {
    "what the task asks for comes first": (
        QUEUES,
        {"queue": "urgent"},
        ("genomics",),
        "urgent",
    ),
    "then the queue of its owner's group": (QUEUES, {}, ("genomics",), "genomics"),
    "of several groups, the first with a queue": (
        QUEUES,
        {},
        ("everybody", "imaging", "genomics"),
        "microscopes",
    ),
    "then the usual one": (QUEUES, {}, ("everybody",), "all"),
    "an owner without groups": (QUEUES, {}, (), "all"),
    "only groups have queues": (ONLY_GROUPS, {}, ("everybody",), ""),
}


@pytest.mark.parametrize(
    ("settings", "wishes", "groups", "want"), CHOSEN.values(), ids=CHOSEN
)
def test_the_queue_of_a_task(
    settings: KubernetesSettings,
    wishes: dict[str, str],
    groups: tuple[str, ...],
    want: str,
) -> None:
    placement = Placement(backend_parameters=wishes, groups=groups)

    assert choose_nodes(placement, settings).queue == want


COUNTED = {"nvidia.com/gpu": "2"}
GPUS: dict[str, tuple[dict[str, str], dict[str, str], dict[str, str]]] = {
    "a type that is claimed": ({"h100": "one-h100"}, {"gpu_type": "h100"}, {}),
    "a type that is not": ({"h100": "one-h100"}, {"gpu_type": "a100"}, COUNTED),
    "no type, and one is claimed": ({"h100": "one-h100"}, {}, COUNTED),
    "no type, and any is claimed": ({"*": "one-gpu"}, {}, {}),
    "a type with a label, and any other is claimed": (
        {"*": "one-gpu"},
        {"gpu_type": "a100"},
        COUNTED,
    ),
}


@pytest.mark.parametrize(("claims", "wishes", "counted"), GPUS.values(), ids=GPUS)
def test_gpus_are_claimed_or_counted(
    claims: dict[str, str], wishes: dict[str, str], counted: dict[str, str]
) -> None:
    gpu = Gpu(types={"a100": "NVIDIA-A100"}, claims=claims, most=4)
    placement = Placement(backend_parameters={"gpu": "2", **wishes})

    nodes = choose_nodes(placement, KubernetesSettings(gpu=gpu))

    assert nodes.devices == counted
    assert nodes.claims == (() if counted else (next(iter(claims.values())),) * 2)
