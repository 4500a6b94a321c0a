"""Services read the settings that the chart writes."""

import importlib
from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from charts.rendering import (
    find,
    kinds,
    needs_helm,
    pod_templates,
    render,
    setting_files,
)
from charts.settings import loaded_quota, loaded_settings
from charts.values import SETS
from tesk_kubernetes.templates import load_pod_template
from tesk_runtime import settings
from tesk_runtime.egress.settings import policy_of

pytestmark = needs_helm

SERVICES = ("api", "scheduler", "taskmaster", "filer")


@pytest.mark.parametrize("name", SETS)
def test_every_service_loads_its_settings(name: str, tmp_path: Path) -> None:
    assert set(loaded_settings(SETS[name], tmp_path)) == set(SERVICES)


@pytest.mark.parametrize("name", SETS)
def test_a_settings_file_holds_only_what_its_service_reads(name: str) -> None:
    for service, text in setting_files(render(SETS[name])):
        kind = importlib.import_module(f"tesk_{service}.config").Settings
        known = {
            (field.section, name)
            for field in settings.fields(kind)
            for name in (field.name, field.old_name)
        }
        written = {
            (section, key)
            for section, body in yaml.safe_load(text).items()
            for key in body
        }
        assert written - known == set(), service


def test_the_services_find_and_trust_each_other(tmp_path: Path) -> None:
    found = loaded_settings({}, tmp_path)
    for service in SERVICES:
        assert found[service].grpc.scheduler == "dns:///tesk-scheduler.science.svc:7070"
        assert found[service].grpc.tls_ca == ""
    for service in ("api", "scheduler", "taskmaster"):
        assert found[service].grpc.token_file == "/etc/tesk-internal/token"
    assert found["filer"].grpc.token_file == ""


def test_scheduler_and_taskmasters_work_in_the_cluster(tmp_path: Path) -> None:
    found = loaded_settings({"taskNamespaces": ["tasks-a", "tasks-b"]}, tmp_path)
    assert found["scheduler"].scheduler.launcher == "kubernetes"
    assert found["taskmaster"].taskmaster.runtime == "kubernetes"
    assert found["scheduler"].kubernetes == found["taskmaster"].kubernetes
    assert found["scheduler"].kubernetes.namespaces == ("tasks-a", "tasks-b")
    assert found["scheduler"].kubernetes.owner == "tesk-tasks"


def test_values_reach_the_settings(tmp_path: Path) -> None:
    found = loaded_settings(
        {
            "api": {"bodyLimit": 33554432, "corsOrigins": ["*"]},
            "scheduler": {
                "retentionSeconds": 7776000,
                "changesRetentionSeconds": 3600,
            },
            "taskmaster": {"tasksPerPod": 5, "maxPods": 7, "idleSeconds": 0},
            "timeLimits": {"nodeSeconds": 5},
            **SETS["users"],
        },
        tmp_path,
    )
    assert found["api"].api.body_limit == 32 * 1024 * 1024
    assert found["api"].api.cors_origins == ("*",)
    assert found["scheduler"].scheduler.retention == timedelta(days=90)
    assert found["scheduler"].scheduler.changes_retention == timedelta(hours=1)
    assert found["scheduler"].scheduler.tasks_per_taskmaster == 5
    assert found["taskmaster"].taskmaster.slots == 5
    assert found["scheduler"].scheduler.max_taskmasters == 7
    assert found["scheduler"].scheduler.idle == timedelta(0)
    assert found["taskmaster"].kubernetes.node_timeout == timedelta(seconds=5)
    quota = loaded_quota(SETS["users"])
    assert quota.everybody.running == 5_000_000
    assert quota.users["*"].cpu == 100
    assert quota.per_task.ram_gb == 512.5


URL_LISTS = {"allow": ["https://"], "deny": ["https://data.example.org/private"]}


def test_the_lists_of_urls_reach_who_refuses_and_who_fetches(tmp_path: Path) -> None:
    found = loaded_settings({"storage": {"urls": URL_LISTS}}, tmp_path)

    for service in ("api", "filer"):
        assert found[service].urls.allow == ("https://",)
        assert found[service].urls.deny == ("https://data.example.org/private",)


def test_the_api_accepts_the_values_that_placement_offers(tmp_path: Path) -> None:
    found = loaded_settings(SETS["placement"], tmp_path)
    assert found["api"].api.backend_parameters == {
        "gpu": ("1..4",),
        "gpu_type": ("a100", "h100"),
        "pool": ("large", "small"),
        "priority_class": ("low", "high"),
        "queue": ("science", "urgent"),
        "runtime_class": ("gvisor",),
    }
    assert set(found["taskmaster"].kubernetes.pools) == {"large", "small"}
    assert loaded_settings({}, tmp_path)["api"].api.backend_parameters == {}


def test_references_are_offered_and_found(tmp_path: Path) -> None:
    found = loaded_settings(SETS["storages"], tmp_path)

    assert found["api"].api.references == ("grch38", "silva")
    claims = found["taskmaster"].kubernetes.references
    assert {name: (each.claim, each.sub_path) for name, each in claims.items()} == {
        "grch38": ("genomes", "human/grch38"),
        "silva": ("databases", ""),
    }


@pytest.mark.parametrize("name", SETS)
def test_tesk_can_complete_every_pod_template(name: str, tmp_path: Path) -> None:
    files = {
        key: text
        for each in kinds(render(SETS[name]), "ConfigMap")
        for key, text in each["data"].items()
        if key.endswith("-pod.yaml")
    }
    assert set(files) == {
        *("taskmaster-pod.yaml", "executor-pod.yaml", "filer-pod.yaml")
    }
    for key, text in files.items():
        (tmp_path / key).write_text(text, encoding="utf-8")
        assert load_pod_template(tmp_path / key)["spec"]["containers"]


def test_settings_and_templates_are_where_the_services_look() -> None:
    objects = render({})
    for component, keys in {
        "api": {"tesk.yaml"},
        "scheduler": {
            *("tesk.yaml", "quota.yaml", "taskmaster-pod.yaml"),
            *("executor-pod.yaml", "filer-pod.yaml"),
        },
        "taskmaster": {"tesk.yaml", "executor-pod.yaml", "filer-pod.yaml"},
        "filer": {"tesk.yaml"},
    }.items():
        assert set(find(objects, "ConfigMap", f"tesk-{component}")["data"]) == keys
        spec = pod_templates(objects)[component]["spec"]
        (volume,) = [each for each in spec["volumes"] if each["name"] == "settings"]
        assert volume["configMap"]["name"] == f"tesk-{component}"
        main = spec["containers"][0]
        assert {"name": "settings", "mountPath": "/etc/tesk", "readOnly": True} in (
            main["volumeMounts"]
        )
        assert {"name": "TESK_CONFIG", "value": "/etc/tesk/tesk.yaml"} in main["env"]


@pytest.mark.parametrize("name", SETS)
def test_every_volume_that_is_mounted_is_there(name: str) -> None:
    for component, template in pod_templates(render(SETS[name])).items():
        spec = template["spec"]
        volumes = {volume["name"] for volume in spec.get("volumes", ())}
        mounts = [
            mount
            for container in spec["containers"]
            for mount in container.get("volumeMounts", ())
        ]
        assert {mount["name"] for mount in mounts} == volumes, component
        paths = [mount["mountPath"] for mount in mounts]
        assert len(paths) == len(set(paths)), component


def test_queues_reach_who_labels_jobs(tmp_path: Path) -> None:
    found = loaded_settings(SETS["placement"], tmp_path)

    assert found["taskmaster"].kubernetes.queue == "science"
    assert found["taskmaster"].kubernetes.queues == ("science", "urgent")


def test_layouts_reach_who_chooses_and_who_refuses(tmp_path: Path) -> None:
    found = loaded_settings(SETS["one-pod"], tmp_path)

    own = found["taskmaster"].taskmaster
    assert (own.layout, own.layouts_allowed) == ("auto", ("jobs", "pod"))
    assert (own.pod_order, own.pod_volume) == ("sequence", "memory")
    assert own.pod_max_disk == 8 * 1024**3
    assert found["taskmaster"].kubernetes.pod_resources
    assert found["api"].api.backend_parameters == {"layout": ("jobs", "pod")}


@pytest.mark.parametrize(
    ("version", "given", "want"),
    [
        ("1.34.0", None, True),
        ("1.34.0-gke.1", None, True),
        ("1.33.9", None, False),
        ("1.30.0", True, True),
        ("1.36.1", False, False),
    ],
)
def test_pods_have_resources_where_the_cluster_knows_them(
    *, version: str, given: bool | None, want: bool
) -> None:
    own = {"layout": "pod", "pod": {"resources": given}}

    objects = render({"taskmaster": own}, version=version)

    text = find(objects, "ConfigMap", "tesk-taskmaster")["data"]["tesk.yaml"]
    assert yaml.safe_load(text)["kubernetes"].get("pod_resources", False) == want


def test_webhooks_reach_who_sends_them_and_who_offers_them(tmp_path: Path) -> None:
    values = {
        "webhooks": {
            "existingSecret": "hooks",
            "ofTasks": True,
            "source": "https://tes.example.org",
            "allowedNetworks": ["10.1.0.0/16"],
            "maxTries": 3,
        }
    }
    found = loaded_settings(values, tmp_path)

    own = found["scheduler"].webhooks
    pod = pod_templates(render(values))["scheduler"]["spec"]
    mounts = pod["containers"][0]["volumeMounts"]
    (mount,) = (each for each in mounts if each["name"] == "webhooks")
    assert own.file == f"{mount['mountPath']}/webhooks.yaml"
    assert (own.secrets, mount["readOnly"]) == (mount["mountPath"], True)
    assert (own.source, own.max_tries) == ("https://tes.example.org", 3)
    assert policy_of(own, "webhooks").problem("10.1.2.3") is None
    assert policy_of(own, "webhooks").problem("10.2.2.3")
    assert found["api"].api.backend_parameters["webhook"] == ()


def test_without_a_file_there_are_no_webhooks(tmp_path: Path) -> None:
    found = loaded_settings({}, tmp_path)

    assert found["scheduler"].webhooks.file == ""
    assert "webhook" not in found["api"].api.backend_parameters
