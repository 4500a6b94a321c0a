"""Filers find what the chart gives them, and may do what its values say."""

from pathlib import Path
from typing import Any

import pytest

from charts.rendering import Manifest, Values, find, needs_helm, pod_templates, render
from charts.settings import loaded_settings
from charts.values import SETS
from tesk_filer.adapters.storage.egress import Egress
from tesk_filer.config import Settings as FilerSettings
from tesk_filer.config import egress_policy
from tesk_filer.ports import StorageError
from tesk_runtime import settings

pytestmark = needs_helm


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
    found = loaded_settings(SETS["storages"], tmp_path)
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
    assert (
        loaded_settings(values, tmp_path)["filer"].filer.shared_prefix
        == "file:///projects"
    )


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
    found = loaded_settings(SETS["storages"], tmp_path)
    assert found["filer"].filer.netrc == "/etc/tesk-storage/netrc/netrc"
    assert loaded_settings({}, tmp_path)["filer"].filer.netrc == ""


def test_limits_of_transfers_are_those_of_the_values(tmp_path: Path) -> None:
    values: Values = {
        "filer": {
            "partsFromBytes": 1048576,
            "maxBytesPerSecond": 125000000,
            "keepModes": False,
            "sha256": True,
        }
    }

    found = loaded_settings(values, tmp_path)["filer"].filer

    assert (found.parts_from, found.max_bytes_per_second) == (1048576, 125000000)
    assert (found.keep_modes, found.sha256) == (False, True)
