"""Settings of TESK in a cluster, read by the scheduler and the taskmasters."""

from datetime import timedelta
from typing import Annotated, Any

import msgspec
from msgspec import Meta


class Pool(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A pool of nodes: its node selector, and the taints to tolerate."""

    node_selector: dict[str, str] = {}
    tolerations: tuple[dict[str, Any], ...] = ()


ANY_TYPE = "*"
"""Of GPUs: any type that is not named."""


class Gpu(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How tasks request GPUs.

    Attributes:
        resource: Name of the extended resource.
        type_label: Node label with the model of the GPU.
        types: Allowed values of ``gpu_type``, each with its label value.
        claims: ResourceClaimTemplates, each for one GPU, by value of ``gpu_type``, or
            ``*`` for any other: such GPUs are claimed, not asked for as resource.
        most: Maximum for one executor; 0: none.
        tolerations: Of executors that request one.
    """

    resource: str = "nvidia.com/gpu"
    type_label: str = "nvidia.com/gpu.product"
    types: dict[str, str] = {}
    claims: dict[str, str] = {}
    most: int = 0
    tolerations: tuple[dict[str, Any], ...] = ()


class ReferenceClaim(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True
):
    """A claim with reference data.

    Attributes:
        claim: PersistentVolumeClaim, in each of the namespaces.
        sub_path: Folder of it; "": all of it.
    """

    claim: str
    sub_path: str = ""


class KubernetesSettings(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True
):
    """TESK in a cluster. Durations are seconds."""

    namespaces: Annotated[
        tuple[str, ...],
        Meta(
            description="Namespaces in which taskmasters, volumes and Jobs are made. "
            "Empty: the one that the process runs in."
        ),
    ] = ()
    instance: Annotated[
        str,
        Meta(description="Value of the label that tells this TESK from others."),
    ] = "tesk"
    owner: Annotated[
        str,
        Meta(
            description="ConfigMap, in each of the namespaces, that owns what is made "
            "at run time, so that it goes when TESK is uninstalled. Empty: nothing "
            "owns it."
        ),
    ] = ""
    owner_uids: Annotated[
        dict[str, str],
        Meta(
            description="Uid of that ConfigMap by namespace; given by the scheduler "
            "to the taskmasters."
        ),
    ] = {}
    templates: Annotated[
        str,
        Meta(
            description="Folder with `taskmaster-pod.yaml`, `executor-pod.yaml` and "
            "`filer-pod.yaml`: pod templates that TESK completes."
        ),
    ] = "/etc/tesk"
    launcher_file: Annotated[
        str,
        Meta(description="Binary of the launcher, in the scheduler's image."),
    ] = "/usr/local/libexec/tesk/launcher"
    launcher: Annotated[
        str,
        Meta(
            description="ConfigMap with the launcher, in each of the namespaces; given "
            "by the scheduler to the taskmasters."
        ),
    ] = ""
    storage_class: Annotated[
        str,
        Meta(description="StorageClass of task volumes. Empty: the cluster's default."),
    ] = ""
    access_mode: Annotated[
        str, Meta(description="Access mode of task volumes.", pattern="^ReadWrite")
    ] = "ReadWriteOnce"
    cpu_limit_ratio: Annotated[
        float,
        Meta(
            ge=0,
            description="CPU limit of executors, as a multiple of what they ask for; "
            "0: none. A ResourceQuota on `limits.cpu` needs one.",
        ),
    ] = 0
    pod_resources: Annotated[
        bool,
        Meta(
            description="Pods can have resources as a whole: Kubernetes 1.34 or newer."
        ),
    ] = False
    all_pods: Annotated[
        bool,
        Meta(
            description="The scheduler may list the pods of all namespaces; all that are"
            " not of this TESK then count on their nodes."
        ),
    ] = False
    references: Annotated[
        dict[str, ReferenceClaim],
        Meta(
            description="Claims with reference data by name, which executors see "
            "read-only as inputs (`ref://NAME/PATH`)."
        ),
    ] = {}
    image_timeout: Annotated[
        timedelta,
        Meta(description="How long an image may fail to be pulled."),
    ] = timedelta(minutes=15)
    image_missing_timeout: Annotated[
        timedelta,
        Meta(
            description="Likewise, when the registry wants other credentials than "
            "the pod's. An image that is not there fails at once."
        ),
    ] = timedelta(seconds=90)
    config_timeout: Annotated[
        timedelta,
        Meta(description="How long a container may fail to be made or started."),
    ] = timedelta(seconds=60)
    schedule_timeout: Annotated[
        timedelta,
        Meta(description="How long a pod may wait for a node; 0: for ever."),
    ] = timedelta(0)
    volume_timeout: Annotated[
        timedelta,
        Meta(description="How long a volume may fail to be bound or mounted."),
    ] = timedelta(minutes=10)
    start_timeout: Annotated[
        timedelta,
        Meta(description="How long a pod on its node may show no progress at all."),
    ] = timedelta(minutes=5)
    quota_timeout: Annotated[
        timedelta,
        Meta(description="How long a ResourceQuota may have no room; 0: for ever."),
    ] = timedelta(hours=1)
    refusal_timeout: Annotated[
        timedelta,
        Meta(
            description=(
                "How long the cluster may refuse to make a Job's pod, or say that a "
                "right of a taskmaster is missing."
            )
        ),
    ] = timedelta(seconds=60)
    missing_timeout: Annotated[
        timedelta,
        Meta(description="How long a Job may have no pod before it is looked for."),
    ] = timedelta(seconds=10)
    node_timeout: Annotated[
        timedelta,
        Meta(description="How long a node may be silent before its pods are lost."),
    ] = timedelta(seconds=120)
    preemptible: Annotated[
        Pool, Meta(description="Where tasks with `preemptible: true` may run.")
    ] = Pool()
    pools: Annotated[
        dict[str, Pool],
        Meta(description="Values of the backend parameter `pool`."),
    ] = {}
    gpu: Annotated[
        Gpu, Meta(description="The backend parameters `gpu` and `gpu_type`.")
    ] = Gpu()
    priority_classes: Annotated[
        tuple[str, ...],
        Meta(description="Allowed values of the backend parameter `priority_class`."),
    ] = ()
    queue: Annotated[
        str,
        Meta(
            description="Queue (LocalQueue of Kueue, in each of the namespaces) of the "
            "Jobs of executors, and of pods with all steps, of tasks that do not ask "
            "for another. Empty: they are not queued."
        ),
    ] = ""
    group_queues: Annotated[
        dict[str, str],
        Meta(
            description="Queues by group, for tasks that do not ask for one. The first "
            "group of the owner that is here counts; of others, `queue`."
        ),
    ] = {}
    queues: Annotated[
        tuple[str, ...],
        Meta(description="Allowed values of the backend parameter `queue`."),
    ] = ()
    runtime_classes: Annotated[
        tuple[str, ...],
        Meta(description="Allowed values of the backend parameter `runtime_class`."),
    ] = ()
