"""Variables that look like settings and are none are told; others are not."""

import msgspec
import pytest

import tesk_api.config
import tesk_filer.config
import tesk_scheduler.config
import tesk_taskmaster.config
from tesk_runtime.unknown_variables import unknown_variables

ALL = (
    tesk_api.config.Settings,
    tesk_scheduler.config.Settings,
    tesk_taskmaster.config.Settings,
    tesk_filer.config.Settings,
)
API, FILER = tesk_api.config.Settings, tesk_filer.config.Settings


def told(name: str, *types: type[msgspec.Struct], value: str = "s3cr3t") -> list[str]:
    return list(unknown_variables({name: value, "PATH": "/bin"}, *types))


SLIPS = {
    "a letter": ("TESK_API_STORGE", "TESK_API_STORAGE"),
    "a section in front of what has none": (
        "TESK_LOCAL_FILE_ROOTS",
        "TESK_FILE_ROOTS",
    ),
    "no section": ("TESK_FILE_ROOT", "TESK_FILE_ROOTS"),
    "a variable of the command": ("TESK_SERVR", "TESK_SERVER"),
    "two words as one": ("TESK_LOG_LEVELS", "TESK_LOG_LEVEL"),
    "a word of another section": ("TESK_FILER_PARALEL", "TESK_FILER_PARALLEL"),
}


@pytest.mark.parametrize(("name", "meant"), SLIPS.values(), ids=SLIPS)
def test_a_slip_is_told_with_what_was_meant(name: str, meant: str) -> None:
    assert told(name, *ALL) == [
        f"{name} is no setting and is ignored; is {meant} meant?"
    ]


def test_a_name_like_no_other_is_told_with_where_they_are_listed() -> None:
    (line,) = told("TESK_API_XYZZY", API)

    assert line.endswith("ignored; docs/configuration.md lists those of api")


def test_sections_of_other_services_are_theirs_to_judge() -> None:
    assert told("TESK_FILER_PARALEL", API) == []
    assert told("TESK_FILER_PARALEL", FILER) != []
    assert told("TESK_FILER_PARALEL") == []


LINKS = {
    "TESK_API_SERVICE_HOST": "10.0.0.1",
    "TESK_API_SERVICE_PORT": "8080",
    "TESK_API_SERVICE_PORT_HTTP": "8080",
    "TESK_API_PORT": "tcp://10.0.0.1:8080",
    "TESK_API_PORT_8080_TCP": "tcp://10.0.0.1:8080",
    "TESK_API_PORT_8080_TCP_PROTO": "tcp",
    "TESK_API_PORT_8080_TCP_PORT": "8080",
    "TESK_API_PORT_8080_TCP_ADDR": "10.0.0.1",
    "TESK_MINE_FILER_SERVICE_HOST": "10.0.0.1",
    "TESK_SERVER_PORT": "tcp://10.0.0.1:80",
}


@pytest.mark.parametrize(("name", "value"), LINKS.items())
def test_what_kubernetes_sets_for_services_is_not_told(name: str, value: str) -> None:
    assert told(name, *ALL, value=value) == []


def test_a_port_that_is_no_link_is_told() -> None:
    assert told("TESK_API_PORT", *ALL, value="8080")


def test_names_of_others_are_not_told() -> None:
    names = ["TESK_E2E_APISERVER_PID", "TESK_FUZZ_SECONDS", "TESK_BENCH_MINIO"]

    assert [told(name, *ALL) for name in [*names, "TESK_UPDATE_GOLDEN"]] == [[]] * 4


def test_no_setting_is_told() -> None:
    names = ["TESK_CONFIG", "TESK_HOME", "TESK_QUOTA_PATIENCE", "TESK_GRPC_SCHEDULER"]

    assert [told(name, *ALL) for name in names] == [[]] * 4
