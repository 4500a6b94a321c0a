"""The objects of an attempt in a cluster: reviewed files, and general rules.

Of the usual attempt there is everything; of all others what differs from it. See
``reviewed.files`` on how the files are written anew.
"""

import copy
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from builders.strategies import tasks
from builders.tasks import (
    file_in,
    file_out,
    make_assigned_task,
    make_executor,
    reference_in,
)
from charts.kubernetes_schema import VERSIONS, problems
from reviewed.differences import difference
from reviewed.files import file_name, reviewed_text, to_yaml
from taskmasters.manifest_shapes import SHAPES, USUAL, is_known_to
from taskmasters.manifests import (
    ANCHOR_UID,
    ATTEMPT,
    CUSTOM_POD,
    EXECUTOR_POD,
    FILER_POD,
    OFFERS,
    OWNER_UID,
    SETTINGS,
    Manifest,
    asking,
    by_step,
    context,
    executor_pod,
    expanded,
    manifests,
    step_of,
    wishing,
)
from tesk_kubernetes.templates import literal, main_container
from tesk_model.task import Task
from tesk_taskmaster.adapters.kubernetes.manifests.anchor import anchor_secret
from tesk_taskmaster.adapters.kubernetes.manifests.filer_job import filer_job
from tesk_taskmaster.adapters.kubernetes.manifests.pod import cpu_quantity
from tesk_taskmaster.domain.planning import PlanError, plan_task

GOLDEN = Path(__file__).parents[3] / "golden" / "manifests"


@pytest.mark.parametrize("name", SHAPES)
def test_manifests_are_the_reviewed_ones(name: str) -> None:
    made = by_step(manifests(*SHAPES[name]))
    if name != USUAL:
        usual = by_step(manifests(*SHAPES[USUAL]))
        made = {step: difference(usual.get(step), each) for step, each in made.items()}
    text = to_yaml(made)

    assert text == reviewed_text(GOLDEN / f"{file_name(name)}.yaml", text)


def test_no_pod_has_a_claim_twice() -> None:
    # Its kubelet would wait for the second for ever.
    template = copy.deepcopy(CUSTOM_POD)
    template["spec"]["volumes"][0]["persistentVolumeClaim"]["claimName"] = "genomes"
    task = make_assigned_task(
        inputs=(reference_in("/a"), reference_in("/b/", "ref://silva/"))
    )

    pod = executor_pod(task, settings=OFFERS, template=template)["spec"]

    claims = [
        volume["persistentVolumeClaim"]["claimName"]
        for volume in pod["volumes"]
        if "persistentVolumeClaim" in volume
    ]
    names = {volume["name"] for volume in pod["volumes"]}
    assert sorted(claims) == ["databases", "genomes"]
    for container in (*pod["containers"], *pod["initContainers"]):
        for mount in container["volumeMounts"]:
            assert mount["name"] in names
            assert mount.get("readOnly") or mount["name"] == "scratch"


def test_every_reviewed_file_has_its_shape() -> None:
    assert {file.stem for file in GOLDEN.glob("*")} == set(map(file_name, SHAPES))


@pytest.mark.parametrize(
    ("name", "version"),
    [
        (name, version)
        for name in SHAPES
        for version in VERSIONS
        if is_known_to(name, version)
    ],
)
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


def test_an_anchor_without_a_known_owner_has_none() -> None:
    elsewhere = replace(context(), namespace="other")

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


def test_a_check_is_a_filer_without_a_volume() -> None:
    plan = plan_task(make_assigned_task(inputs=(file_in("/a/b"),)), ATTEMPT)
    check, inputs = (
        filer_job(plan, step, FILER_POD, context=context(), anchor_uid=ANCHOR_UID)
        for step in ("check", "in")
    )

    spec, other = (made["spec"]["template"]["spec"] for made in (check, inputs))
    assert check["metadata"]["name"] == f"{ATTEMPT.name}-check"
    assert [each["name"] for each in spec["volumes"]] == [
        each["name"] for each in other["volumes"] if each["name"] != "tesk-volume"
    ]
    main = main_container(check["spec"]["template"])
    assert "/volume" not in str(main)
    assert {"name": "TESK_FILER_DIRECTION", "value": "check"} in main["env"]
    assert "persistentVolumeClaim" not in str(check)
    assert not any(problems(check, version) for version in VERSIONS)


def test_filers_need_no_gpu_and_no_runtime_class() -> None:
    task = wishing(gpu="2", runtime_class="gvisor")

    filer = next(made for made in manifests(task, OFFERS) if step_of(made) == "in")

    assert "nvidia.com/gpu" not in filer["spec"]["template"]["spec"]["containers"][0][
        "resources"
    ].get("limits", {})
    assert "runtimeClassName" not in filer["spec"]["template"]["spec"]


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


def test_no_template_hides_the_launchers_report() -> None:
    template = copy.deepcopy(EXECUTOR_POD)
    main_container(template)["terminationMessagePath"] = "/site/why"

    main = main_container(executor_pod(make_assigned_task(), template=template))

    words = [*main["command"], *main.get("args", ())]
    report = words[words.index("--report") + 1]
    assert main["terminationMessagePath"] == report


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


# The ratio, what the task asks for, and the limit.
CPU_LIMITS: dict[str, tuple[float, float, str | None]] = {
    "none": (0, 2, None),
    "what it asks for": (1, 2, "2000m"),
    "more than it asks for": (1.5, 0.1, "150m"),
    "never less than it asks for": (0.5, 2, "2000m"),
}


@pytest.mark.parametrize(
    ("ratio", "cores", "want"), CPU_LIMITS.values(), ids=CPU_LIMITS
)
def test_executors_have_the_cpu_limit_that_the_settings_say(
    ratio: float, cores: float, want: str | None
) -> None:
    limited = structs.replace(SETTINGS, cpu_limit_ratio=ratio)
    executor = list(manifests(asking(cpu_cores=cores), limited, EXECUTOR_POD))[-1]
    resources = main_container(executor["spec"]["template"])["resources"]

    assert resources["limits"].get("cpu") == want
    assert resources["requests"]["cpu"] == cpu_quantity(cores)
