"""Services read the settings that the chart writes."""

import importlib
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from charts.rendering import (
    Manifest,
    Values,
    find,
    kinds,
    needs_helm,
    pod_templates,
    render,
    setting_files,
)
from charts.values import SETS
from tesk_filer.adapters.storage.egress import Egress
from tesk_filer.config import Settings as FilerSettings
from tesk_filer.config import egress_policy
from tesk_filer.ports import StorageError
from tesk_kubernetes.templates import load_pod_template
from tesk_runtime import settings

pytestmark = needs_helm

SERVICES = ("api", "scheduler", "taskmaster", "filer")


def loaded(values: Values, tmp_path: Path) -> dict[str, Any]:
    """Return the settings of each service, as it would load them in its pod."""
    found = {}
    for service, text in setting_files(render(values)):
        file = tmp_path / f"{service}.yaml"
        file.write_text(text, encoding="utf-8")
        kind = importlib.import_module(f"tesk_{service}.config").Settings
        found[service] = settings.load(kind, {"TESK_CONFIG": str(file)})
    return found


@pytest.mark.parametrize("name", SETS)
def test_every_service_loads_its_settings(name: str, tmp_path: Path) -> None:
    assert set(loaded(SETS[name], tmp_path)) == set(SERVICES)


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
    found = loaded({}, tmp_path)
    for service in SERVICES:
        assert found[service].grpc.scheduler == "dns:///tesk-scheduler.science.svc:7070"
        assert found[service].grpc.tls_ca == ""
    for service in ("api", "scheduler", "taskmaster"):
        assert found[service].grpc.token_file == "/etc/tesk-internal/token"
    assert found["filer"].grpc.token_file == ""


def test_scheduler_and_taskmasters_work_in_the_cluster(tmp_path: Path) -> None:
    found = loaded({"taskNamespaces": ["tasks-a", "tasks-b"]}, tmp_path)
    assert found["scheduler"].scheduler.launcher == "kubernetes"
    assert found["taskmaster"].taskmaster.runtime == "kubernetes"
    assert found["scheduler"].kubernetes == found["taskmaster"].kubernetes
    assert found["scheduler"].kubernetes.namespaces == ("tasks-a", "tasks-b")
    assert found["scheduler"].kubernetes.owner == "tesk-tasks"


def test_values_reach_the_settings(tmp_path: Path) -> None:
    found = loaded(
        {
            "api": {"bodyLimit": 33554432, "corsOrigins": ["*"]},
            "scheduler": {"retentionSeconds": 7776000},
            "taskmaster": {"tasksPerPod": 5, "maxPods": 7, "idleSeconds": 0},
            "timeLimits": {"nodeSeconds": 5},
            **SETS["users"],
        },
        tmp_path,
    )
    assert found["api"].api.body_limit == 32 * 1024 * 1024
    assert found["api"].api.cors_origins == ("*",)
    assert found["scheduler"].scheduler.retention == timedelta(days=90)
    assert found["scheduler"].scheduler.tasks_per_taskmaster == 5
    assert found["taskmaster"].taskmaster.slots == 5
    assert found["scheduler"].scheduler.max_taskmasters == 7
    assert found["scheduler"].scheduler.idle == timedelta(0)
    assert found["taskmaster"].kubernetes.node_timeout == timedelta(seconds=5)
    quota = found["scheduler"].quota
    assert quota.everybody.running == 5_000_000
    assert quota.users["*"].cpu == 100
    assert quota.per_task.ram_gb == 512.5


URL_LISTS = {"allow": ["https://"], "deny": ["https://data.example.org/private"]}


def test_the_lists_of_urls_reach_who_refuses_and_who_fetches(tmp_path: Path) -> None:
    found = loaded({"storage": {"urls": URL_LISTS}}, tmp_path)

    for service in ("api", "filer"):
        assert found[service].urls.allow == ("https://",)
        assert found[service].urls.deny == ("https://data.example.org/private",)


def filer_environ(template: Manifest) -> dict[str, str]:
    """Return what the environment of a filer's pod says, apart from the settings file."""
    (container,) = template["spec"]["containers"]
    environ = {each["name"]: each.get("value", "") for each in container["env"]}
    environ.pop("TESK_CONFIG")
    return environ


def egress_of(values: Values) -> Egress:
    """Return what the filers of an installation may connect to."""
    environ = filer_environ(pod_templates(render(values))["filer"])
    return Egress(egress_policy(settings.load(FilerSettings, environ).filer))


EGRESS = {
    "by default": ({}, True),
    "with private networks open": (
        {"networkPolicy": {"filer": {"private": True}}},
        False,
    ),
    "with something opened by a rule": (
        {"networkPolicy": {"filer": {"extraEgress": [{"to": [{"podSelector": {}}]}]}}},
        False,
    ),
    "without NetworkPolicies": ({"networkPolicy": {"enabled": False}}, False),
    "with the network named": ({"filer": {"allowedNetworks": ["10.0.0.0/8"]}}, False),
}


@pytest.mark.parametrize(("values", "refused"), EGRESS.values(), ids=EGRESS)
def test_filers_refuse_private_addresses_as_the_network_policy_does(
    values: Values, *, refused: bool
) -> None:
    egress = egress_of(values)

    if refused:
        with pytest.raises(StorageError, match=r"filer\.refused_networks"):
            egress.check_proxied("10.1.2.3")
    else:
        egress.check_proxied("10.1.2.3")
    for host in ("127.0.0.1", "169.254.169.254", "fd00:ec2::254"):
        with pytest.raises(StorageError):
            egress.check_proxied(host)


def test_the_capacity_reaches_the_scheduler(tmp_path: Path) -> None:
    reserve = {"cpu": 1, "ramGb": 2, "pods": 3}
    values: Values = {"quota": {"capacity": "unlimited", "nodeReserve": reserve}}

    quota = loaded(values, tmp_path)["scheduler"].quota

    assert quota.capacity == "unlimited"
    assert msgspec.to_builtins(quota.node_reserve) == {"cpu": 1, "ram_gb": 2, "pods": 3}


def test_the_api_accepts_the_values_that_placement_offers(tmp_path: Path) -> None:
    found = loaded(SETS["placement"], tmp_path)
    assert found["api"].api.backend_parameters == {
        "gpu": ("1..4",),
        "gpu_type": ("a100",),
        "pool": ("large", "small"),
        "priority_class": ("low", "high"),
        "queue": ("science", "urgent"),
        "runtime_class": ("gvisor",),
    }
    assert set(found["taskmaster"].kubernetes.pools) == {"large", "small"}
    assert loaded({}, tmp_path)["api"].api.backend_parameters == {}


def test_references_are_offered_and_found(tmp_path: Path) -> None:
    found = loaded(SETS["storages"], tmp_path)

    assert found["api"].api.references == ("grch38", "silva")
    claims = found["taskmaster"].kubernetes.references
    assert {name: (each.claim, each.sub_path) for name, each in claims.items()} == {
        "grch38": ("genomes", "human/grch38"),
        "silva": ("databases", ""),
    }


def test_filers_find_their_cache() -> None:
    def filer(cache: Values) -> Any:
        return pod_templates(render({"filer": {"cache": cache}}))["filer"]["spec"]

    pod = filer({"sizeGb": 2, "hostPath": "/srv/cache"})
    main = pod["containers"][0]
    environ = {each["name"]: each.get("value") for each in main["env"]}
    mounts = {each["name"]: each["mountPath"] for each in main["volumeMounts"]}
    volumes = {each["name"]: each for each in pod["volumes"]}

    assert environ["TESK_FILER_CACHE_BYTES"] == str(2 * 2**30)
    assert environ["TESK_FILER_CACHE_FOLDER"].startswith(mounts["cache"])
    assert volumes["cache"]["hostPath"]["path"] == "/srv/cache"
    assert "cache" not in {each["name"] for each in filer({})["volumes"]}


def test_a_shared_volume_is_seen_where_its_urls_point(tmp_path: Path) -> None:
    found = loaded(SETS["storages"], tmp_path)
    assert found["filer"].filer.shared_prefix == "file:///data/science"
    assert found["filer"].filer.shared_path == "/shared"
    assert "file:///data/science" in found["api"].api.storage
    main = pod_templates(render(SETS["storages"]))["filer"]["spec"]["containers"][0]
    mounts = [mount for mount in main["volumeMounts"] if mount["name"] == "shared"]
    assert mounts == [
        {
            "name": "shared",
            "mountPath": "/shared",
            "subPath": "science",
            "readOnly": False,
        }
    ]


def test_a_shared_volume_has_the_urls_of_its_path_unless_told(tmp_path: Path) -> None:
    values = {"storage": {"shared": {"claim": "files", "mountPath": "/projects"}}}
    assert loaded(values, tmp_path)["filer"].filer.shared_prefix == "file:///projects"


def test_credentials_and_known_hosts_are_where_the_filer_looks() -> None:
    objects = render(SETS["storages"])
    template = pod_templates(objects)["filer"]
    own = settings.load(FilerSettings, filer_environ(template)).filer
    (container,) = template["spec"]["containers"]
    mounts = {each["mountPath"]: each["name"] for each in container["volumeMounts"]}
    volumes = {each["name"]: each for each in template["spec"]["volumes"]}
    files = find(objects, "ConfigMap", "tesk-filer")["data"]

    secrets = [
        volumes[mounts[path]]["secret"]["secretName"] for path in own.credentials
    ]

    assert secrets == ["archives", "lab.example.org"]
    for path in (own.known_hosts, own.ftps_ca):
        folder, _, name = path.rpartition("/")
        assert volumes[mounts[folder]]["configMap"]["name"] == "tesk-filer"
        assert name in files


def test_without_them_the_filer_has_none() -> None:
    environ = filer_environ(pod_templates(render({}))["filer"])
    own = settings.load(FilerSettings, environ).filer
    assert (own.credentials, own.known_hosts, own.ftps_ca) == ((), "", "")


def test_the_netrc_file_is_where_the_filer_looks(tmp_path: Path) -> None:
    found = loaded(SETS["storages"], tmp_path)
    assert found["filer"].filer.netrc == "/etc/tesk-storage/netrc/netrc"
    assert loaded({}, tmp_path)["filer"].filer.netrc == ""


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
            *("tesk.yaml", "taskmaster-pod.yaml"),
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
    found = loaded(SETS["placement"], tmp_path)

    assert found["taskmaster"].kubernetes.queue == "science"
    assert found["taskmaster"].kubernetes.queues == ("science", "urgent")


def test_layouts_reach_who_chooses_and_who_refuses(tmp_path: Path) -> None:
    found = loaded(SETS["one-pod"], tmp_path)

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


def test_limits_of_transfers_are_those_of_the_values(tmp_path: Path) -> None:
    values: Values = {
        "filer": {
            "partsFromBytes": 1048576,
            "maxBytesPerSecond": 125000000,
            "keepModes": False,
            "sha256": True,
        }
    }

    found = loaded(values, tmp_path)["filer"].filer

    assert (found.parts_from, found.max_bytes_per_second) == (1048576, 125000000)
    assert (found.keep_modes, found.sha256) == (False, True)
