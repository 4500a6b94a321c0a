"""Objects of attempts in a cluster, as tests ask for them."""

from typing import Any

from builders.tasks import file_in, make_assigned_task
from tesk_kubernetes.settings import (
    Gpu,
    KubernetesSettings,
    Pool,
    ReferenceClaim,
)
from tesk_model.names import Attempt
from tesk_model.task import Resources, Task, TaskId
from tesk_taskmaster.adapters.kubernetes.manifests.anchor import anchor_secret
from tesk_taskmaster.adapters.kubernetes.manifests.executor_job import executor_job
from tesk_taskmaster.adapters.kubernetes.manifests.filer_job import filer_job
from tesk_taskmaster.adapters.kubernetes.manifests.objects import RenderContext
from tesk_taskmaster.adapters.kubernetes.manifests.volume import volume_claim
from tesk_taskmaster.domain.planning import plan_task

Manifest = dict[str, Any]

ATTEMPT = Attempt(TaskId("t1"), 1)
ANCHOR_UID = "0b1fa6a5-0000-4000-8000-000000000001"
OWNER_UID = "0b1fa6a5-0000-4000-8000-000000000002"

SETTINGS = KubernetesSettings(
    owner="tesk-tasks",
    owner_uids={"tasks": OWNER_UID},
    launcher="tesk-launcher-0123456789",
)
OFFERS = KubernetesSettings(
    owner="tesk-tasks",
    owner_uids={"tasks": OWNER_UID},
    launcher="tesk-launcher-0123456789",
    storage_class="fast",
    access_mode="ReadWriteOncePod",
    preemptible=Pool(
        node_selector={"spot": "true"},
        tolerations=({"key": "spot", "operator": "Exists", "effect": "NoSchedule"},),
    ),
    pools={
        "highmem": Pool(
            node_selector={"pool": "highmem"},
            tolerations=({"key": "pool", "value": "highmem"},),
        ),
        "steady": Pool(node_selector={"spot": "false"}),
    },
    gpu=Gpu(
        types={"a100": "NVIDIA-A100-SXM4-80GB"},
        claims={"h100": "one-h100"},
        most=4,
        tolerations=({"key": "nvidia.com/gpu", "operator": "Exists"},),
    ),
    priority_classes=("urgent", "whenever"),
    runtime_classes=("gvisor",),
    queues=("science", "urgent"),
    references={
        "grch38": ReferenceClaim(claim="genomes", sub_path="human/grch38"),
        "hg19": ReferenceClaim(claim="genomes", sub_path="human/hg19"),
        "silva": ReferenceClaim(claim="databases"),
    },
)

EXECUTOR_POD: Manifest = {
    "metadata": {},
    "spec": {
        "securityContext": {"fsGroup": 65532},
        "containers": [{"name": "main"}],
    },
}
FILER_POD: Manifest = {
    "metadata": {},
    "spec": {
        "securityContext": {"fsGroup": 65532, "runAsUser": 65532},
        "containers": [
            {
                "name": "main",
                "image": "tesk-filer:0.1.0",
                "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}},
                "env": [{"name": "TESK_CONFIG", "value": "/etc/tesk/tesk.yaml"}],
                "volumeMounts": [{"name": "config", "mountPath": "/etc/tesk"}],
            }
        ],
        "volumes": [{"name": "config", "configMap": {"name": "tesk-config"}}],
    },
}
CUSTOM_POD: Manifest = {
    "metadata": {
        "labels": {"access": "proxy", "tesk/task": "not-this"},
        "annotations": {"cluster-autoscaler.kubernetes.io/safe-to-evict": "false"},
    },
    "spec": {
        "imagePullSecrets": [{"name": "registry"}],
        "nodeSelector": {"kubernetes.io/arch": "amd64"},
        "terminationGracePeriodSeconds": 5,
        "tolerations": [
            {"key": "batch", "operator": "Exists"},
            {
                "key": "node.kubernetes.io/not-ready",
                "operator": "Exists",
                "effect": "NoExecute",
                "tolerationSeconds": 600,
            },
        ],
        "affinity": {
            "nodeAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": {
                    "nodeSelectorTerms": [
                        {"matchExpressions": [{"key": "ssd", "operator": "Exists"}]},
                        {"matchExpressions": [{"key": "nvme", "operator": "Exists"}]},
                    ]
                }
            }
        },
        "containers": [
            {
                "name": "main",
                "securityContext": {"allowPrivilegeEscalation": False},
                "resources": {
                    "requests": {"ephemeral-storage": "1Gi"},
                    "limits": {"ephemeral-storage": "2Gi", "cpu": "1"},
                },
                "env": [
                    {"name": "http_proxy", "value": "http://proxy:3128"},
                    {"name": "REFERENCES", "value": "/reference"},
                ],
                "volumeMounts": [
                    {"name": "ref", "mountPath": "/reference", "readOnly": True},
                    {"name": "scratch", "mountPath": "/tmp"},
                ],
            }
        ],
        "volumes": [
            {"name": "ref", "persistentVolumeClaim": {"claimName": "reference"}},
            {"name": "scratch", "emptyDir": {}},
        ],
    },
}


def asking(**fields: Any) -> Task:
    resources: dict[str, Any] = {"cpu_cores": 1, "ram_gb": 2, "disk_gb": 10, **fields}
    return make_assigned_task(
        inputs=(file_in("/work/a"),), resources=Resources(**resources)
    )


def wishing(**parameters: str) -> Task:
    return asking(backend_parameters=parameters)


def context(settings: KubernetesSettings = SETTINGS) -> RenderContext:
    return RenderContext(namespace="tasks", taskmaster="tm-1", settings=settings)


def manifests(
    task: Task,
    settings: KubernetesSettings = SETTINGS,
    template: Manifest = EXECUTOR_POD,
) -> list[Manifest]:
    """Return all objects of the attempt, in the order in which they are made."""
    plan, where = plan_task(task, ATTEMPT), context(settings)
    made = [anchor_secret(ATTEMPT, "secret-token", where)]
    if plan.has_volume:
        made.append(volume_claim(plan, where, anchor_uid=ANCHOR_UID))

    def filer(step: str) -> Manifest:
        return filer_job(plan, step, FILER_POD, context=where, anchor_uid=ANCHOR_UID)

    if plan.has_inputs:
        made.append(filer("in"))
    made += [
        executor_job(plan, step, template, context=where, anchor_uid=ANCHOR_UID)
        for step in plan.executors
    ]
    if plan.has_outputs:
        made.append(filer("out"))
    return made


def executor_pod(task: Task, **given: Any) -> Manifest:
    """Return the pod template of the first executor."""
    jobs = [made for made in manifests(task, **given) if step_of(made) == "x0"]
    pod: Manifest = jobs[0]["spec"]["template"]
    return pod


def step_of(manifest: Manifest) -> str:
    return str(manifest["metadata"]["labels"].get("tesk/step", ""))


def by_step(objects: list[Manifest]) -> dict[str, Manifest]:
    """Return the objects of an attempt by step, or by kind."""
    return {step_of(each) or each["kind"]: each for each in objects}


def expanded(text: str, variables: dict[str, str]) -> str:
    """Expand as the kubelet does.

    Source:
        Kubernetes, third_party/forked/golang/expansion/expand.go.
    """
    parts, at = [], 0
    while at < len(text):
        if text[at] != "$" or at + 1 == len(text):
            parts.append(text[at])
            at += 1
        elif text[at + 1] == "$":
            parts.append("$")
            at += 2
        elif text[at + 1] == "(" and ")" in text[at:]:
            end = text.index(")", at)
            name = text[at + 2 : end]
            parts.append(variables.get(name, f"$({name})"))
            at = end + 1
        else:
            parts.append(text[at : at + 2])
            at += 2
    return "".join(parts)
