"""The Job of an attempt whose steps share a pod: reviewed files, and general rules.

Of the usual attempt there is everything; of all others what differs from it. See
``reviewed.files`` on how the files are written anew.
"""

import copy
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
from taskmasters.manifest_shapes import USUAL, is_known_to
from taskmasters.manifests import (
    EXECUTOR_POD,
    FILER_POD,
    OFFERS,
    Manifest,
    expanded,
)
from taskmasters.pod_shapes import (
    LIMIT_RANGE,
    LIMITED_FILER_POD,
    POD_SHAPES,
    RESOLVER,
    SHARED_CUSTOM_POD,
    SIDECAR,
    PodShape,
    merged_with,
)
from tesk_kubernetes.quantities import parse_amount
from tesk_kubernetes.requests import pod_requests
from tesk_model.task import Task
from tesk_taskmaster.domain.layouts import PodVolume
from tesk_taskmaster.domain.planning import PlanError
from tesk_taskmaster.ports import StepFailedError

GOLDEN = Path(__file__).parents[3] / "golden" / "pods"


@pytest.mark.parametrize("name", POD_SHAPES)
def test_pods_are_the_reviewed_ones(name: str) -> None:
    made = POD_SHAPES[name].job()
    if name != USUAL:
        made = difference(POD_SHAPES[USUAL].job(), made)
    text = to_yaml(made)

    assert text == reviewed_text(GOLDEN / f"{file_name(name)}.yaml", text)


def test_every_reviewed_file_has_its_shape() -> None:
    assert {file.stem for file in GOLDEN.glob("*")} == set(map(file_name, POD_SHAPES))


@pytest.mark.parametrize(
    ("name", "version"),
    [
        (name, version)
        for name in POD_SHAPES
        for version in VERSIONS
        if is_known_to(name, version)
    ],
)
def test_reviewed_pods_are_valid(name: str, version: str) -> None:
    shape = POD_SHAPES[name]
    has_resources = shape.pod_resources and version != VERSIONS[0]
    made = replace(shape, pod_resources=has_resources).job()

    assert problems(made, version) == []


@pytest.mark.parametrize(
    "field",
    [
        {"dnsPolicy": "None", "dnsConfig": {"nameservers": ["192.0.2.53"]}},
        {"hostAliases": [{"ip": "192.0.2.1", "hostnames": ["storage"]}]},
    ],
    ids=["servers", "hosts"],
)
def test_names_that_a_template_gives_a_pod_are_those_of_its_filers(
    field: Manifest,
) -> None:
    shape = replace(
        POD_SHAPES[USUAL],
        resolver=RESOLVER,
        executor=merged_with(EXECUTOR_POD, **field),
        filer=merged_with(FILER_POD, **field),
    )

    assert "/etc/resolv.conf" not in to_yaml(shape.job())


def test_a_file_of_names_that_the_template_of_filers_mounts_stays() -> None:
    filer = copy.deepcopy(FILER_POD)
    mine = {"name": "mine", "mountPath": "/etc/hosts", "subPath": "hosts"}
    filer["spec"]["containers"][0]["volumeMounts"] = [mine]
    filer["spec"]["volumes"] = [{"name": "mine", "configMap": {"name": "mine"}}]

    made = replace(POD_SHAPES[USUAL], resolver=RESOLVER, filer=filer).job()

    filers = [
        each
        for each in made["spec"]["template"]["spec"]["containers"]
        if each["name"] == "filer"
    ]
    hosts = [m for m in filers[0]["volumeMounts"] if m["mountPath"] == "/etc/hosts"]
    assert hosts == [mine]


@st.composite
def shapes(draw: st.DrawFn) -> PodShape:
    """Return an attempt of any shape, on a cluster of any kind."""
    task = draw(tasks)
    assert task.resources is not None
    wishes = draw(
        st.fixed_dictionaries(
            {},
            optional={
                "pool": st.just("highmem"),
                "gpu": st.sampled_from("14"),
                "runtime_class": st.just("gvisor"),
            },
        )
    )
    resources = replace(task.resources, backend_parameters=wishes)
    more = draw(st.sampled_from([{}, {"initContainers": [SIDECAR]}]))
    return PodShape(
        task=replace(task, resources=resources),
        settings=OFFERS,
        executor=merged_with(
            draw(st.sampled_from([EXECUTOR_POD, SHARED_CUSTOM_POD])), **more
        ),
        filer=draw(st.sampled_from([FILER_POD, LIMITED_FILER_POD])),
        volume=draw(st.sampled_from(PodVolume)),
        order=draw(st.sampled_from(["auto", "sequence"])),
        pod_resources=draw(st.booleans()),
        limit_range=draw(st.sampled_from([None, LIMIT_RANGE])),
    )


@settings(deadline=None)
@given(shape=shapes())
def test_every_plan_gives_a_valid_pod(shape: PodShape) -> None:
    try:
        made = shape.job()
    except (PlanError, StepFailedError):
        return

    assert problems(made, VERSIONS[-1]) == []
    spec = made["spec"]["template"]["spec"]
    _see_names(spec)
    _see_secrets(spec, shape.filer)
    _see_commands(spec, shape.task)
    _see_resources(spec)


def _containers(spec: Manifest) -> list[Manifest]:
    return [*spec.get("initContainers", ()), *spec["containers"]]


def _executors(spec: Manifest) -> list[Manifest]:
    return [each for each in _containers(spec) if re.fullmatch("x[0-9]+", each["name"])]


def _see_names(spec: Manifest) -> None:
    containers = [container["name"] for container in _containers(spec)]
    volumes = [volume["name"] for volume in spec["volumes"]]
    for names in (containers, volumes):
        assert len(set(names)) == len(names)
        assert all(re.fullmatch("[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", n) for n in names)
    for container in _containers(spec):
        mounts = container.get("volumeMounts", ())
        paths = [mount["mountPath"] for mount in mounts]
        assert len(set(paths)) == len(paths)
        assert {mount["name"] for mount in mounts} <= set(volumes)


def _see_secrets(spec: Manifest, filer: Manifest) -> None:
    theirs = {volume["name"] for volume in filer["spec"]["volumes"]}
    theirs.add("tesk-transfer")
    for container in _executors(spec):
        assert theirs.isdisjoint(mount["name"] for mount in container["volumeMounts"])
        assert "TESK_" not in str(container.get("env", ()))


def _see_commands(spec: Manifest, task: Task) -> None:
    for container, executor in zip(_executors(spec), task.executors, strict=True):
        words = [expanded(word, {}) for word in container["args"]]
        assert words[-len(executor.command) - 1 :] == ["--", *executor.command]


def _see_resources(spec: Manifest) -> None:
    whole = spec.get("resources")
    if not whole:
        return
    running = [
        container["resources"]
        for container in _containers(spec)
        if container in spec["containers"] or container.get("restartPolicy")
    ]
    for name, amount in whole["requests"].items():
        asked = [parse_amount(each["requests"][name]) for each in running]
        assert sum(asked) <= parse_amount(amount)
    for name, amount in whole.get("limits", {}).items():
        for each in running:
            assert parse_amount(each["limits"][name]) <= parse_amount(amount)


def test_a_filer_of_outputs_is_started_before_images_of_executors_are_pulled() -> None:
    task = make_assigned_task(
        executors=(make_executor(), make_executor()), outputs=(file_out("/work/b"),)
    )

    spec = PodShape(task=task).job()["spec"]["template"]["spec"]

    assert [each["name"] for each in spec["containers"]] == ["out", "x0", "x1"]


LARGER_FILER = merged_with(
    FILER_POD,
    containers=[
        {
            **FILER_POD["spec"]["containers"][0],
            "resources": {"requests": {"cpu": "3", "memory": "1Gi"}},
        }
    ],
)


@pytest.mark.parametrize("order", ["auto", "sequence"])
@pytest.mark.parametrize(
    ("filer", "cores"), [(FILER_POD, 1), (LARGER_FILER, 3)], ids=["small", "large"]
)
def test_a_pod_asks_for_its_largest_step_and_not_for_the_sum(
    order: str, filer: Manifest, cores: int
) -> None:
    shape = replace(POD_SHAPES[USUAL], order=order, filer=filer)

    pod = shape.job()["spec"]["template"]

    found = pod_requests(pod)
    assert found["cpu"] == cores
    assert found["memory"] == 2 * 1024**3


def test_references_are_checked_once_before_all_steps() -> None:
    task = make_assigned_task(
        inputs=(reference_in("/a"), file_in("/work/a")),
        executors=(make_executor(), make_executor()),
    )

    spec = PodShape(task=task, settings=OFFERS).job()["spec"]["template"]["spec"]

    assert [each["name"] for each in spec["initContainers"]] == ["tesk-references"]


def scratch_of(shape: PodShape) -> dict[str, list[str]]:
    """Return the volumes of each executor that are mounted at /tmp."""
    spec = shape.job()["spec"]["template"]["spec"]
    return {
        container["name"]: [
            mount["name"]
            for mount in container["volumeMounts"]
            if mount["mountPath"] == "/tmp"
        ]
        for container in _executors(spec)
    }


def test_no_step_finds_what_an_earlier_one_left_in_a_directory_of_the_template() -> (
    None
):
    shape = POD_SHAPES["limits on the disk"]

    assert scratch_of(shape) == {"x0": ["scratch"], "x1": ["tesk-scratch-x1-0"]}


def test_a_directory_by_which_steps_talk_to_a_container_beside_stays_one() -> None:
    shape = POD_SHAPES["limits on the disk"]
    mount = {"name": "scratch", "mountPath": "/socket"}
    beside = merged_with(
        shape.executor, initContainers=[{**SIDECAR, "volumeMounts": [mount]}]
    )

    found = scratch_of(replace(shape, executor=beside))

    assert found == {"x0": ["scratch"], "x1": ["scratch"]}


def test_a_pod_has_no_claim_twice() -> None:
    # Its kubelet would wait for the second for ever.
    task = make_assigned_task(
        inputs=(reference_in("/a"), reference_in("/b/", "ref://silva/")),
        outputs=(file_out("/out/b"),),
    )
    shared = {"claimName": "genomes", "readOnly": False}
    filer = merged_with(
        FILER_POD,
        volumes=[
            *FILER_POD["spec"]["volumes"],
            {"name": "shared", "persistentVolumeClaim": shared},
        ],
    )

    spec = PodShape(task=task, settings=OFFERS, filer=filer).job()["spec"]["template"]

    claims = [
        volume["persistentVolumeClaim"]["claimName"]
        for volume in spec["spec"]["volumes"]
        if "persistentVolumeClaim" in volume
    ]
    assert sorted(claims) == ["databases", "genomes"]
    for container in _executors(spec["spec"]):
        mounts = [
            m for m in container["volumeMounts"] if m["mountPath"] in ("/a", "/b")
        ]
        assert all(mount["readOnly"] for mount in mounts)
