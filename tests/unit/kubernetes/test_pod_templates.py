"""Pod templates are validated and completed."""

import copy
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tesk_kubernetes.api import SECRETS, JsonObject
from tesk_kubernetes.json_copies import copied
from tesk_kubernetes.templates import (
    TemplateError,
    load_pod_template,
    main_container,
    owner_reference,
    with_environment,
    with_labels,
    with_main,
    with_mounts,
    with_node_selector,
    with_required_nodes,
    with_tolerations,
    with_volumes,
)

ZONE_A = {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a"]}]}
ZONE_B = {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["b"]}]}
FAST = {"matchExpressions": [{"key": "disk", "operator": "Exists"}]}
ON_ONE = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n"]}]}
TOLERATION = {"key": "gpu", "operator": "Exists"}


def template() -> JsonObject:
    return {
        "metadata": {"labels": {"site": "x", "tesk/task": "theirs"}},
        "spec": {
            "nodeSelector": {"pool": "batch"},
            "tolerations": [TOLERATION],
            "volumes": [{"name": "data", "emptyDir": {}}],
            "containers": [
                {"name": "sidecar"},
                {
                    "name": "main",
                    "env": [{"name": "A", "value": "1"}],
                    "volumeMounts": [{"name": "data", "mountPath": "/data"}],
                },
            ],
        },
    }


def bare() -> JsonObject:
    return {"spec": {"containers": [{"name": "main"}]}}


def required(pod: JsonObject) -> list[JsonObject]:
    node = pod["spec"]["affinity"]["nodeAffinity"]
    terms: list[JsonObject] = node["requiredDuringSchedulingIgnoredDuringExecution"][
        "nodeSelectorTerms"
    ]
    return terms


BAD_TEMPLATES = {
    "an empty file": ("", "spec: missing"),
    "a list": ("- 1", "spec: missing"),
    "no YAML": ("a: [", "is not YAML"),
    "lists without end": ("[" * 30_000, "is nested deeper than 100 levels"),
    "a whole pod": ("{kind: Pod, spec: {}}", "kind: a template has only"),
    "no containers": ("spec: {}", "spec.containers: exactly one"),
    "no main": ("spec: {containers: [{name: x}]}", "spec.containers: exactly one"),
    "labels in a list": (
        "{metadata: {labels: [a]}, spec: {containers: [{name: main}]}}",
        "metadata.labels: must be a mapping",
    ),
    "metadata that is text": (
        "{metadata: x, spec: {containers: [{name: main}]}}",
        "metadata: must be a mapping",
    ),
    "a template within itself": (
        "spec: {containers: [&a {name: main, env: [*a]}]}",
        "contains itself by an anchor",
    ),
    "volumes as text": (
        "spec: {volumes: [a], containers: [{name: main}]}",
        "spec.volumes: must be a list of mappings",
    ),
    "env as a mapping": (
        "spec: {containers: [{name: x}, {name: main, env: {A: b}}]}",
        "spec.containers[1].env: must be a list of mappings",
    ),
}


@pytest.mark.parametrize(
    ("text", "problem"), BAD_TEMPLATES.values(), ids=BAD_TEMPLATES.keys()
)
def test_a_bad_template_is_named_with_its_field(
    text: str, problem: str, tmp_path: Path
) -> None:
    file = tmp_path / "executor-pod.yaml"
    file.write_text(text)

    with pytest.raises(TemplateError) as raised:
        load_pod_template(file)

    assert str(raised.value).startswith(f"{file}: {problem}")


def test_a_missing_template_is_named(tmp_path: Path) -> None:
    with pytest.raises(TemplateError, match=r"none\.yaml: cannot be read: No such"):
        load_pod_template(tmp_path / "none.yaml")


def test_a_template_may_lack_all_but_its_container(tmp_path: Path) -> None:
    file = tmp_path / "filer-pod.yaml"
    file.write_text("spec: {containers: [{name: main}]}")

    assert load_pod_template(file) == bare() | {"metadata": {}}


OVERLAYS: dict[str, Callable[[JsonObject], JsonObject]] = {
    "labels": lambda pod: with_labels(pod, {"tesk/task": "t"}),
    "main": lambda pod: with_main(pod, {"image": "i"}),
    "environment": lambda pod: with_environment(pod, [{"name": "A", "value": "2"}]),
    "volumes": lambda pod: with_volumes(pod, [{"name": "v"}]),
    "mounts": lambda pod: with_mounts(pod, [{"name": "v", "mountPath": "/v"}]),
    "tolerations": lambda pod: with_tolerations(pod, [{"key": "k"}]),
    "node selector": lambda pod: with_node_selector(pod, {"gpu": "yes"}),
    "required nodes": lambda pod: with_required_nodes(pod, [ZONE_A]),
}


@pytest.mark.parametrize("overlay", OVERLAYS.values(), ids=OVERLAYS.keys())
@pytest.mark.parametrize("given", [template(), bare()], ids=["full", "bare"])
def test_an_overlay_leaves_the_template_as_it_is(
    overlay: Callable[[JsonObject], JsonObject], given: JsonObject
) -> None:
    before = copy.deepcopy(given)

    made = overlay(given)
    main_container(made)["changed"] = True

    assert given == before
    assert made != before


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.text(), inner) | st.lists(inner).map(tuple)
    ),
)


@given(JSON)
def test_a_copy_is_equal_and_shares_nothing_that_changes(value: object) -> None:
    copy = copied(value)

    assert copy == value
    assert type(copy) is type(value)
    if isinstance(value, dict | list) and value:
        assert copy is not value


def test_labels_of_tesk_win() -> None:
    made = with_labels(template(), {"tesk/task": "ours"})

    assert made["metadata"]["labels"] == {"site": "x", "tesk/task": "ours"}


def test_a_variable_replaces_the_one_of_its_name_and_comes_last() -> None:
    given = with_environment(template(), [{"name": "B", "value": "2"}])

    made = with_environment(given, [{"name": "A", "value": "3"}])

    assert main_container(made)["env"] == [
        {"name": "B", "value": "2"},
        {"name": "A", "value": "3"},
    ]


def test_a_mount_replaces_the_one_at_its_path() -> None:
    mount = {"name": "volume", "mountPath": "/data"}

    made = with_mounts(template(), [mount])

    assert main_container(made)["volumeMounts"] == [mount]


def test_volumes_are_added_to_those_of_the_template() -> None:
    made = with_volumes(template(), [{"name": "volume"}])

    assert [volume["name"] for volume in made["spec"]["volumes"]] == ["data", "volume"]


def test_a_toleration_is_there_once() -> None:
    made = with_tolerations(template(), [TOLERATION, {"key": "spot"}])

    assert made["spec"]["tolerations"] == [TOLERATION, {"key": "spot"}]


def test_node_selectors_are_merged() -> None:
    made = with_node_selector(template(), {"gpu": "yes"})

    assert made["spec"]["nodeSelector"] == {"pool": "batch", "gpu": "yes"}


def test_required_nodes_are_those_of_the_template_and_of_the_task() -> None:
    made = with_required_nodes(with_required_nodes(bare(), [ZONE_A, ZONE_B]), [FAST])

    assert required(made) == [
        {"matchExpressions": ZONE_A["matchExpressions"] + FAST["matchExpressions"]},
        {"matchExpressions": ZONE_B["matchExpressions"] + FAST["matchExpressions"]},
    ]


def test_required_nodes_may_be_named_by_fields_too() -> None:
    made = with_required_nodes(with_required_nodes(bare(), [ZONE_A]), [ON_ONE])

    assert required(made) == [ZONE_A | ON_ONE]


def test_an_empty_requirement_allows_any_node() -> None:
    assert with_required_nodes(bare(), []) == bare()


def test_an_owner_is_no_controller_and_may_go_first() -> None:
    assert owner_reference(SECRETS, name="tesk-t-a1", uid="u") == {
        "apiVersion": "v1",
        "kind": "Secret",
        "name": "tesk-t-a1",
        "uid": "u",
        "controller": False,
        "blockOwnerDeletion": False,
    }
