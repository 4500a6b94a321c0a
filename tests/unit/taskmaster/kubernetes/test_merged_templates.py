"""Which templates can share a pod, and what each container of it has."""

import copy
from typing import Any

import pytest

from taskmasters.manifests import EXECUTOR_POD, FILER_POD, Manifest
from taskmasters.pod_shapes import merged_with
from tesk_kubernetes.templates import TemplateError
from tesk_taskmaster.adapters.kubernetes.manifests.merged_template import (
    merge_templates,
)


def labelled(template: Manifest, **labels: str) -> Manifest:
    return {**template, "metadata": {"labels": labels}}


def annotated(template: Manifest, annotations: dict[str, str]) -> Manifest:
    return {**template, "metadata": {"annotations": annotations}}


def claiming(template: Manifest, name: str, **claim: Any) -> Manifest:
    """Return a template whose container mounts a claim at /claim."""
    made = copy.deepcopy(template)
    spec = made["spec"]
    spec.setdefault("volumes", []).append(
        {"name": name, "persistentVolumeClaim": {"claimName": "shared", **claim}}
    )
    mounts = spec["containers"][0].setdefault("volumeMounts", [])
    mounts.append({"name": name, "mountPath": "/claim"})
    return made


REFUSED: dict[str, tuple[Manifest, Manifest, str]] = {
    "a service account of filers": (
        EXECUTOR_POD,
        merged_with(FILER_POD, serviceAccountName="filer"),
        "spec.serviceAccountName: executors would have that of filers: give both ",
    ),
    "another service account": (
        merged_with(EXECUTOR_POD, serviceAccountName="executor"),
        merged_with(FILER_POD, serviceAccountName="filer"),
        "spec.serviceAccountName: executors would",
    ),
    "the network of the node": (
        EXECUTOR_POD,
        merged_with(FILER_POD, hostNetwork=True),
        "spec.hostNetwork: executors would",
    ),
    "a group of filers": (
        EXECUTOR_POD,
        merged_with(
            FILER_POD, securityContext={"fsGroup": 65532, "supplementalGroups": [7]}
        ),
        "spec.securityContext.supplementalGroups: executors would",
    ),
    "processes that are seen": (
        merged_with(EXECUTOR_POD, shareProcessNamespace=True),
        FILER_POD,
        "spec.shareProcessNamespace: executors could look into filers: leave it out",
    ),
    "processes of the node": (
        EXECUTOR_POD,
        merged_with(FILER_POD, hostPID=True),
        "spec.hostPID: executors could look into filers",
    ),
    "a label of filers": (
        EXECUTOR_POD,
        labelled(FILER_POD, identity="yes"),
        "metadata.labels.identity: executors would",
    ),
    "an annotation of filers": (
        EXECUTOR_POD,
        annotated(FILER_POD, {"vault/inject": "yes"}),
        "metadata.annotations.vault/inject: executors would",
    ),
    "nodes that exclude each other": (
        merged_with(EXECUTOR_POD, nodeSelector={"disk": "fast"}),
        merged_with(FILER_POD, nodeSelector={"disk": "large"}),
        "spec.nodeSelector: no node suits both executors and filers: they want ",
    ),
    "containers of one name": (
        merged_with(EXECUTOR_POD, initContainers=[{"name": "a"}]),
        merged_with(FILER_POD, initContainers=[{"name": "a"}]),
        "spec.initContainers: executors and filers both have a: give one of them ",
    ),
}


@pytest.mark.parametrize(
    ("executor", "filer", "message"), REFUSED.values(), ids=REFUSED
)
def test_executors_get_nothing_of_filers(
    executor: Manifest, filer: Manifest, message: str
) -> None:
    with pytest.raises(TemplateError) as raised:
        merge_templates(executor, filer)

    assert str(raised.value).startswith(message)


def test_a_field_that_both_have_is_that_of_the_pod() -> None:
    merged = merge_templates(
        labelled(merged_with(EXECUTOR_POD, serviceAccountName="tasks"), team="x"),
        labelled(merged_with(FILER_POD, serviceAccountName="tasks"), team="x"),
    )

    assert merged.pod["spec"]["serviceAccountName"] == "tasks"
    assert merged.pod["metadata"]["labels"] == {"team": "x"}


def test_labels_of_tesk_and_annotations_of_autoscalers_may_be_the_filers_alone() -> (
    None
):
    filer = {
        **FILER_POD,
        "metadata": {
            "labels": {"tesk/access-scheduler": "true"},
            "annotations": {"cluster-autoscaler.kubernetes.io/safe-to-evict": "true"},
        },
    }

    metadata = merge_templates(EXECUTOR_POD, filer).pod["metadata"]

    assert metadata == {"labels": {"tesk/access-scheduler": "true"}}


def test_what_every_pod_of_tesk_has_makes_no_difference() -> None:
    filer = merged_with(
        FILER_POD,
        automountServiceAccountToken=False,
        enableServiceLinks=False,
        restartPolicy="Never",
    )

    assert merge_templates(EXECUTOR_POD, filer).filer["name"] == "main"


def test_each_container_runs_as_its_own_pod_would() -> None:
    executor = merged_with(
        EXECUTOR_POD,
        securityContext={"fsGroup": 65532, "seccompProfile": {"type": "Localhost"}},
    )
    filer = merged_with(
        FILER_POD, initContainers=[{"name": "a", "securityContext": {"runAsUser": 5}}]
    )

    merged = merge_templates(executor, filer)

    (init,) = merged.pod["spec"]["initContainers"]
    assert merged.pod["spec"]["securityContext"] == {"fsGroup": 65532}
    assert merged.executor["securityContext"] == {
        "seccompProfile": {"type": "Localhost"}
    }
    assert merged.filer["securityContext"] == {"runAsUser": 65532}
    assert init["securityContext"] == {"runAsUser": 5}


def test_where_a_pod_may_run_is_what_both_want() -> None:
    executor = merged_with(
        EXECUTOR_POD,
        nodeSelector={"disk": "fast"},
        tolerations=[{"key": "a"}],
        terminationGracePeriodSeconds=5,
    )
    filer = merged_with(
        FILER_POD,
        nodeSelector={"net": "fast"},
        tolerations=[{"key": "a"}, {"key": "b"}],
        imagePullSecrets=[{"name": "registry"}],
        terminationGracePeriodSeconds=60,
    )

    spec = merge_templates(executor, filer).pod["spec"]

    assert spec["nodeSelector"] == {"disk": "fast", "net": "fast"}
    assert spec["tolerations"] == [{"key": "a"}, {"key": "b"}]
    assert spec["imagePullSecrets"] == [{"name": "registry"}]
    assert spec["terminationGracePeriodSeconds"] == 60


def test_a_volume_of_filers_gets_another_name_where_it_is_taken() -> None:
    executor = merged_with(EXECUTOR_POD, volumes=[{"name": "config", "emptyDir": {}}])

    merged = merge_templates(executor, FILER_POD)

    assert merged.pod["spec"]["volumes"] == [
        {"name": "config", "emptyDir": {}},
        {"name": "tesk-filer-0", "configMap": {"name": "tesk-config"}},
    ]
    assert [mount["name"] for mount in merged.filer["volumeMounts"]] == ["tesk-filer-0"]


@pytest.mark.parametrize("executor_reads", [True, False])
@pytest.mark.parametrize("filer_reads", [True, False])
def test_a_claim_of_both_is_there_once(
    *, executor_reads: bool, filer_reads: bool
) -> None:
    merged = merge_templates(
        claiming(EXECUTOR_POD, "one", readOnly=executor_reads),
        claiming(FILER_POD, "other", readOnly=filer_reads),
    )

    claim = merged.pod["spec"]["volumes"][0]
    mounts = [
        next(each for each in main["volumeMounts"] if each["mountPath"] == "/claim")
        for main in (merged.executor, merged.filer)
    ]
    whole = claim["persistentVolumeClaim"].get("readOnly", False)
    assert whole == (executor_reads and filer_reads)
    assert [mount["name"] for mount in mounts] == ["one", "one"]
    assert [mount.get("readOnly", False) for mount in mounts] == [
        executor_reads,
        filer_reads,
    ]


def test_templates_are_left_as_they_are() -> None:
    executor = claiming(EXECUTOR_POD, "one", readOnly=True)
    filer = claiming(FILER_POD, "config-too")
    before = copy.deepcopy((executor, filer))

    merge_templates(executor, filer)

    assert (executor, filer) == before
