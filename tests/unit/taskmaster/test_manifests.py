"""The objects of an attempt in a cluster: reviewed files, and general rules.

After a wanted change: ``TESK_UPDATE_GOLDEN=1 pytest tests/unit/taskmaster/
test_manifests.py``, then review the difference in tests/golden/manifests.
"""

import copy
import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import make_assigned_task, make_executor
from kubernetes_schema import VERSIONS, problems
from task_strategies import tasks
from tesk_kubernetes.settings import Gpu, KubernetesSettings, Pool
from tesk_model.names import Attempt
from tesk_model.task import Input, Output, Resources, Task, TaskId
from tesk_taskmaster.adapters.kubernetes.anchor import anchor_secret
from tesk_taskmaster.adapters.kubernetes.executor_job import (
    check_executors,
    executor_job,
)
from tesk_taskmaster.adapters.kubernetes.filer_job import filer_job
from tesk_taskmaster.adapters.kubernetes.manifests import Site
from tesk_taskmaster.adapters.kubernetes.manifests_pod import cpu_quantity, literal
from tesk_taskmaster.adapters.kubernetes.volume import volume_claim
from tesk_taskmaster.domain.planning import PlanError, plan_task
from tesk_taskmaster.ports import StepFailedError

Manifest = dict[str, Any]

GOLDEN = Path(__file__).parents[2] / "golden" / "manifests"
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
        most=4,
        tolerations=({"key": "nvidia.com/gpu", "operator": "Exists"},),
    ),
    priority_classes=("urgent", "whenever"),
    runtime_classes=("gvisor",),
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


def file_in(path: str) -> Input:
    return Input(path=path, url="s3://b/k")


def file_out(path: str) -> Output:
    return Output(path=path, url="s3://b/o")


def asking(**fields: Any) -> Task:
    resources: dict[str, Any] = {"cpu_cores": 1, "ram_gb": 2, "disk_gb": 10, **fields}
    return make_assigned_task(
        inputs=(file_in("/work/a"),), resources=Resources(**resources)
    )


def wishing(**parameters: str) -> Task:
    return asking(backend_parameters=parameters)


# A sentence, the task, the deployment's settings, and its executor template.
SHAPES: dict[str, tuple[Task, KubernetesSettings, Manifest]] = {
    "a trivial task is one Job": (make_assigned_task(), SETTINGS, EXECUTOR_POD),
    "inputs only": (
        make_assigned_task(inputs=(file_in("/work/a"),)),
        SETTINGS,
        EXECUTOR_POD,
    ),
    "outputs only": (
        make_assigned_task(outputs=(file_out("/out/b"),)),
        SETTINGS,
        EXECUTOR_POD,
    ),
    "several images share directories, nested ones made by the launcher": (
        make_assigned_task(
            volumes=("/vol", "/vol/a/b", "/vol/c"),
            executors=(
                make_executor(image="alpine:3.20"),
                make_executor(
                    image="registry.example:5000/a/b@sha256:00", workdir="/x"
                ),
            ),
        ),
        SETTINGS,
        EXECUTOR_POD,
    ),
    "redirects": (
        make_assigned_task(
            executors=(
                make_executor(stdout="/log/out", stderr="/log/err"),
                make_executor(stdin="/log/out", workdir="/log"),
            )
        ),
        SETTINGS,
        EXECUTOR_POD,
    ),
    "an input among programs is one file": (
        make_assigned_task(inputs=(file_in("/usr/local/bin/tool"), file_in("/d.txt"))),
        SETTINGS,
        EXECUTOR_POD,
    ),
    "an output among programs is collected": (
        make_assigned_task(outputs=(file_out("/result[1].txt"), file_out("/out/b"))),
        SETTINGS,
        EXECUTOR_POD,
    ),
    "zones": (asking(zones=("eu-1a", "eu-1b")), OFFERS, EXECUTOR_POD),
    "preemptible": (asking(preemptible=True), OFFERS, EXECUTOR_POD),
    "a pool and GPUs of a type": (
        wishing(pool="highmem", gpu="2", gpu_type="a100"),
        OFFERS,
        EXECUTOR_POD,
    ),
    "a type of GPU alone asks for one": (
        wishing(gpu_type="a100"),
        OFFERS,
        EXECUTOR_POD,
    ),
    "priority and runtime class": (
        wishing(priority_class="urgent", runtime_class="gvisor"),
        OFFERS,
        EXECUTOR_POD,
    ),
    "a template with everything is added to": (
        replace(
            asking(zones=("eu-1a",), preemptible=True),
            inputs=(file_in("/tmp/script"),),
            executors=(make_executor(env={"http_proxy": ""}),),
        ),
        OFFERS,
        CUSTOM_POD,
    ),
    "odd characters arrive as they are": (
        make_assigned_task(
            volumes=("/wörk dir/a,b=$(HOME)",),
            executors=(
                make_executor(
                    command=("printf", "$(HOME) $$ $x", "", "two\nlines", "--"),
                    env={"b": "$(a)", "a": "x\ny: 'z' \"", "1.weird name": ""},
                    workdir="/wörk dir/a,b=$(HOME)/c",
                ),
            ),
        ),
        SETTINGS,
        EXECUTOR_POD,
    ),
    "less than a container can start with": (
        asking(cpu_cores=0.0001, ram_gb=0.0001, disk_gb=0.0000000001),
        SETTINGS,
        EXECUTOR_POD,
    ),
}


def site(settings: KubernetesSettings = SETTINGS) -> Site:
    return Site(namespace="tasks", taskmaster="tm-1", settings=settings)


def manifests(
    task: Task,
    settings: KubernetesSettings = SETTINGS,
    template: Manifest = EXECUTOR_POD,
) -> list[Manifest]:
    """Return all objects of the attempt, in the order in which they are made."""
    plan, where = plan_task(task, ATTEMPT), site(settings)
    made = [anchor_secret(ATTEMPT, "secret-token", where)]
    if plan.has_volume:
        made.append(volume_claim(plan, where, anchor_uid=ANCHOR_UID))

    def filer(step: str) -> Manifest:
        return filer_job(plan, step, FILER_POD, site=where, anchor_uid=ANCHOR_UID)

    if plan.has_inputs:
        made.append(filer("in"))
    made += [
        executor_job(plan, step, template, site=where, anchor_uid=ANCHOR_UID)
        for step in plan.executors
    ]
    if plan.has_outputs:
        made.append(filer("out"))
    return made


def executor_pod(task: Task, **given: Any) -> Manifest:
    """Return the pod template of the first executor."""
    jobs = [made for made in manifests(task, **given) if _step(made) == "x0"]
    pod: Manifest = jobs[0]["spec"]["template"]
    return pod


def _step(manifest: Manifest) -> str:
    return str(manifest["metadata"]["labels"].get("tesk/step", ""))


def _file_name(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


@pytest.mark.parametrize("name", SHAPES)
def test_manifests_are_the_reviewed_ones(name: str) -> None:
    file = GOLDEN / f"{_file_name(name)}.yaml"
    text = yaml.safe_dump_all(manifests(*SHAPES[name]), allow_unicode=True)
    if os.environ.get("TESK_UPDATE_GOLDEN"):
        file.write_text(text, "utf-8")

    assert text == file.read_text("utf-8")


def test_every_reviewed_file_has_its_shape() -> None:
    assert {file.stem for file in GOLDEN.glob("*")} == set(map(_file_name, SHAPES))


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", SHAPES)
def test_reviewed_manifests_are_valid(name: str, version: str) -> None:
    found = [
        problem
        for manifest in manifests(*SHAPES[name])
        for problem in problems(manifest, version)
    ]

    assert found == []


@settings(deadline=None)
@given(
    task=tasks,
    zones=st.lists(st.sampled_from(["a", "b"]), unique=True).map(tuple),
    preemptible=st.booleans(),
    wishes=st.fixed_dictionaries(
        {},
        optional={
            "pool": st.just("highmem"),
            "gpu": st.sampled_from("14"),
            "gpu_type": st.just("a100"),
            "priority_class": st.just("urgent"),
            "runtime_class": st.just("gvisor"),
        },
    ),
    template=st.sampled_from([EXECUTOR_POD, CUSTOM_POD]),
)
def test_every_plan_gives_valid_manifests(
    task: Task,
    *,
    zones: tuple[str, ...],
    preemptible: bool,
    wishes: dict[str, str],
    template: Manifest,
) -> None:
    assert task.resources is not None
    resources = replace(
        task.resources,
        zones=zones,
        preemptible=preemptible,
        backend_parameters=wishes,
    )
    before = copy.deepcopy(template)
    try:
        made = manifests(replace(task, resources=resources), OFFERS, template)
    except PlanError:
        return

    assert [found for each in made for found in problems(each, VERSIONS[-1])] == []
    assert template == before
    for manifest in made:
        for container in _containers(manifest):
            paths = [mount["mountPath"] for mount in container["volumeMounts"]]
            assert len(set(paths)) == len(paths)
            names = [variable["name"] for variable in container.get("env", ())]
            assert len(set(names)) == len(names)


def _containers(manifest: Manifest) -> list[Manifest]:
    if manifest["kind"] != "Job":
        return []
    found: list[Manifest] = manifest["spec"]["template"]["spec"]["containers"]
    return found


def test_all_but_the_anchor_is_owned_by_the_anchor() -> None:
    anchor, *others = manifests(
        make_assigned_task(inputs=(file_in("/a/b"),), outputs=(file_out("/a/c"),))
    )

    owners = [made["metadata"]["ownerReferences"] for made in others]
    assert [owner["uid"] for (owner,) in owners] == [ANCHOR_UID] * 4
    assert [owner["kind"] for (owner,) in owners] == ["Secret"] * 4
    (owner,) = anchor["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"]) == ("ConfigMap", OWNER_UID)


def test_nothing_owns_the_anchor_where_no_owner_is_known() -> None:
    elsewhere = replace(site(), namespace="other")

    anchor = anchor_secret(ATTEMPT, "secret-token", elsewhere)

    assert anchor["metadata"]["ownerReferences"] == []


def test_the_transfer_token_is_in_the_anchor_alone() -> None:
    anchor, *others = manifests(make_assigned_task(inputs=(file_in("/a/b"),)))

    assert anchor["data"] == {"token": "c2VjcmV0LXRva2Vu"}
    assert "secret-token" not in str(others)
    assert "c2VjcmV0LXRva2Vu" not in str(others)


FILER_FIELDS = ("nodeSelector", "tolerations", "affinity", "priorityClassName")


@pytest.mark.parametrize(
    "task",
    [
        asking(zones=("eu-1a",)),
        asking(preemptible=True),
        wishing(pool="highmem", gpu="1", gpu_type="a100", priority_class="urgent"),
    ],
)
def test_filers_get_the_nodes_of_the_executors(task: Task) -> None:
    filer, executor = (
        made["spec"]["template"]["spec"]
        for made in manifests(task, OFFERS)
        if made["kind"] == "Job"
    )

    for field in FILER_FIELDS:
        assert filer.get(field) == executor.get(field)


def test_filers_need_no_gpu_and_no_runtime_class() -> None:
    task = wishing(gpu="2", runtime_class="gvisor")

    filer = next(made for made in manifests(task, OFFERS) if _step(made) == "in")

    assert "nvidia.com/gpu" not in filer["spec"]["template"]["spec"]["containers"][0][
        "resources"
    ].get("limits", {})
    assert "runtimeClassName" not in filer["spec"]["template"]["spec"]


REFUSED: dict[str, tuple[Task, str]] = {
    "a colon in a directory": (
        make_assigned_task(volumes=("/a:b",)),
        "/a:b cannot be mounted: Kubernetes takes no path with a colon",
    ),
    "a colon in a file among programs": (
        make_assigned_task(inputs=(file_in("/usr/local/bin/a:b"),)),
        "/usr/local/bin/a:b cannot be mounted",
    ),
    "a path of ours": (
        make_assigned_task(volumes=("/.tesk/x",)),
        "/.tesk/x cannot be mounted: /.tesk belongs to TESK",
    ),
    "a path in a read-only volume of the deployment": (
        make_assigned_task(outputs=(file_out("/reference/index"),)),
        "/reference cannot be mounted: /reference is a read-only volume",
    ),
    "a variable that Kubernetes does not take": (
        make_assigned_task(executors=(make_executor(env={"ü": "1"}),)),
        r"the environment variable '\xfc' cannot be set",
    ),
    "a pool that is not there": (
        wishing(pool="huge"),
        'resources.backend_parameters.pool: "huge" is not offered here (highmem, steady)',
    ),
    "more GPUs than allowed": (
        wishing(gpu="5"),
        'resources.backend_parameters.gpu: "5" is not offered here (1 to 4)',
    ),
    "no GPU": (wishing(gpu="0"), '.gpu: "0" is not offered here (1 to 4)'),
    "GPUs in words": (wishing(gpu="two"), '.gpu: "two" is not offered'),
    "an unknown type of GPU": (wishing(gpu_type="b200"), '.gpu_type: "b200" is not'),
    "a priority that is not allowed": (
        wishing(priority_class="system-node-critical"),
        '.priority_class: "system-node-critical" is not offered here (urgent, whenever)',
    ),
    "a runtime that is not allowed": (
        wishing(runtime_class="kata"),
        '.runtime_class: "kata" is not offered here (gvisor)',
    ),
    "a zone that no label can name": (
        asking(zones=("a", "b c")),
        'resources.zones: no zone is called "b c"',
    ),
    "wishes that exclude each other": (
        asking(preemptible=True, backend_parameters={"pool": "steady"}),
        'no node suits both preemptible and pool "steady"',
    ),
}


@pytest.mark.parametrize(("task", "words"), REFUSED.values(), ids=REFUSED)
def test_what_a_cluster_cannot_do_is_said(task: Task, words: str) -> None:
    with pytest.raises(StepFailedError, match=re.escape(words)) as refusal:
        manifests(task, OFFERS, CUSTOM_POD)

    assert not refusal.value.lost


@pytest.mark.parametrize(("task", "words"), REFUSED.values(), ids=REFUSED)
def test_it_is_said_before_anything_is_made(task: Task, words: str) -> None:
    plan = plan_task(task, ATTEMPT)

    with pytest.raises(StepFailedError, match=re.escape(words)):
        check_executors(plan, CUSTOM_POD, site=site(OFFERS))


def test_no_gpu_is_offered_by_default() -> None:
    with pytest.raises(StepFailedError, match=re.escape("not offered here (none)")):
        manifests(wishing(gpu="1"))


def test_parameters_of_others_are_left_alone() -> None:
    assert manifests(wishing(vmsize="big")) == manifests(wishing())


def test_the_order_of_variables_means_nothing() -> None:
    one = make_executor(env={"a": "1", "b": "2"})
    other = make_executor(env={"b": "2", "a": "1"})

    assert manifests(make_assigned_task(executors=(one,))) == manifests(
        make_assigned_task(executors=(other,))
    )


def test_a_variable_of_the_task_replaces_the_deployments() -> None:
    task = make_assigned_task(executors=(make_executor(env={"http_proxy": "none"}),))

    pod = executor_pod(task, template=CUSTOM_POD)

    assert pod["spec"]["containers"][0]["env"] == [
        {"name": "REFERENCES", "value": "/reference"},
        {"name": "http_proxy", "value": "none"},
    ]


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


@given(st.text(alphabet="$()aA é") | st.text())
def test_text_arrives_as_it_was_sent(text: str) -> None:
    assert expanded(literal(text), {"a": "wrong", "": "wrong", "aA": "wrong"}) == text


CPU = {
    "whole cores": (2, "2000m"),
    "a part": (0.5, "500m"),
    "rounded up": (0.0011, "2m"),
    "not exact in binary": (1.001, "1001m"),
    "at least one": (0.0000001, "1m"),
}


@pytest.mark.parametrize(("cores", "want"), CPU.values(), ids=CPU)
def test_cpu_is_counted_in_millicores(cores: float, want: str) -> None:
    assert cpu_quantity(cores) == want
