"""The configuration of containers."""

from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.tasks import make_executor
from tesk_model.names import Attempt
from tesk_model.quantities import GIB
from tesk_model.task import TaskId
from tesk_taskmaster.adapters.container.config import (
    ContainerRules,
    EngineTraits,
    container_config,
    labelled_attempt,
)
from tesk_taskmaster.adapters.container.network import subnets
from tesk_taskmaster.domain.executor_run import ExecutorRun, HostMount
from tesk_taskmaster.domain.plan import ExecutorStep, Mount
from tesk_taskmaster.ports import StepFailedError

HOME = Path("/home/me/tesk")


def make_traits(**overrides: Any) -> EngineTraits:
    fields: dict[str, Any] = {
        "product": "Engine",
        "version": "27.1",
        "cpus": 8,
        "limits_cpu": True,
        "limits_memory": True,
    }
    return EngineTraits(**(fields | overrides))


PODMAN = make_traits(product="Podman Engine")


def make_run(**overrides: Any) -> ExecutorRun:
    folder = HOME / "tasks/t1-a2"
    fields: dict[str, Any] = {
        "name": "tesk-t1-a2-x0",
        "attempt": Attempt(TaskId("t1"), 2),
        "step": ExecutorStep(index=0, executor=make_executor(), mounts=()),
        "mounts": (),
        "folder": folder / "steps/x0",
        "volume": folder / "volume",
        "cpu_cores": 1.5,
        "ram": 2 * GIB,
    }
    return ExecutorRun(**(fields | overrides))


def render(
    run: ExecutorRun, traits: EngineTraits, rules: ContainerRules | None = None
) -> dict[str, Any]:
    return container_config(
        run,
        launcher=Path("/opt/launcher"),
        report=run.folder / "report",
        home=HOME,
        traits=traits,
        rules=rules,
    )


def test_every_part_of_an_executor_is_in_its_container() -> None:
    volume = HOME / "tasks/t1-a2/volume"
    run = make_run(
        step=ExecutorStep(
            index=0,
            executor=make_executor(
                image="quay.io/bio/tool:1",
                command=("tool", "--chdir", ""),
                env={"A": "1\n2", "B": ""},
                workdir="/w",
                stdin="/w/in",
                stdout="/w/out",
                stderr="/w/err",
            ),
            mounts=(Mount(path="/etc/x", is_file=True), Mount(path="/w")),
            collect=("/result.txt", "/opt/*.log"),
        ),
        mounts=(
            HostMount(source=volume / "w", target="/w", is_file=False),
            HostMount(source=volume / "etc/x", target="/etc/x", is_file=True),
        ),
        outputs=("/result.txt", "/w/out"),
    )

    assert render(run, make_traits()) == {
        "Image": "quay.io/bio/tool:1",
        "Entrypoint": ["/.tesk/launcher"],
        "Cmd": [
            *("--disk", "/etc/x", "--chdir", "/w", "--stdin", "/w/in"),
            *("--stdout", "/w/out", "--stderr", "/w/err"),
            *("--collect", "/result.txt", "/.tesk/volume"),
            *("--collect", "/opt/*.log", "/.tesk/volume"),
            *("--readable", "/.tesk/volume/result.txt", "--readable", "/w/out"),
            *("--report", "/.tesk/report"),
            *("--", "tool", "--chdir", ""),
        ],
        "Env": ["A=1\n2", "B="],
        "Labels": {
            "tesk.home": "/home/me/tesk",
            "tesk.task": "t1",
            "tesk.attempt": "2",
            "tesk.step": "x0",
        },
        "StopSignal": "SIGTERM",
        "Healthcheck": {"Test": ["NONE"]},
        "HostConfig": {
            "Mounts": [
                _bind("/opt/launcher", "/.tesk/launcher", read_only=True),
                _bind(f"{run.folder}/report", "/.tesk/report"),
                _bind(f"{volume}/w", "/w"),
                _bind(f"{volume}/etc/x", "/etc/x"),
                _bind(str(volume), "/.tesk/volume"),
            ],
            "SecurityOpt": ["no-new-privileges", "label=disable"],
            "RestartPolicy": {"Name": "no"},
            "AutoRemove": False,
            "LogConfig": {
                "Type": "json-file",
                "Config": {"max-size": "16m", "max-file": "2"},
            },
            "NanoCpus": 1_500_000_000,
            "Memory": 2 * GIB,
            "MemorySwap": 2 * GIB,
            "ShmSize": 1 * GIB,
            "NetworkMode": "none",
        },
    }
    assert sources(run) <= {"/opt/launcher", f"{run.folder}/report"} | {
        str(path) for path in (volume, volume / "w", volume / "etc/x")
    }


def sources(run: ExecutorRun) -> set[str]:
    return {m["Source"] for m in render(run, make_traits())["HostConfig"]["Mounts"]}


SHARED = {
    "half of the memory": (4 * GIB, 2 * GIB),
    "not less than engines give": (16 * 1024**2, 64 * 1024**2),
    "not without end": (1024 * GIB, 16 * GIB),
}


@pytest.mark.parametrize(("ram", "size"), SHARED.values(), ids=SHARED)
def test_shared_memory_grows_with_memory(ram: int, size: int) -> None:
    assert render(make_run(ram=ram), make_traits())["HostConfig"]["ShmSize"] == size


def test_options_of_the_operator_are_in_every_container() -> None:
    rules = ContainerRules(
        max_processes=100, dropped_capabilities=("NET_RAW",), network="tesk-t1-a2"
    )

    host = render(make_run(), make_traits(), rules)["HostConfig"]

    assert host["PidsLimit"] == 100
    assert host["CapDrop"] == ["NET_RAW"]
    assert host["NetworkMode"] == "tesk-t1-a2"


def test_processes_are_not_limited_where_the_engine_cannot() -> None:
    traits = make_traits(limits_processes=False)

    host = render(make_run(), traits, ContainerRules(max_processes=100))["HostConfig"]

    assert "PidsLimit" not in host
    assert "processes" in traits.notices()[0]


@given(name=st.text(min_size=1), bits=st.integers(1, 29))
def test_networks_of_attempts_lie_in_the_range_and_differ(name: str, bits: int) -> None:
    whole = IPv4Network(f"198.18.0.0/{max(bits, 15)}")

    tried = list(subnets(str(whole), name))

    assert len(set(tried)) == len(tried) > 0
    for one in tried:
        assert IPv4Network(one).subnet_of(whole)
        assert IPv4Network(one).prefixlen == 29


def test_the_engine_makes_a_working_directory_outside_every_mount() -> None:
    step = ExecutorStep(
        index=0,
        executor=make_executor(workdir="/work/new//dir/"),
        mounts=(Mount(path="/wor"), Mount(path="/work/new/directory")),
    )

    config = render(make_run(step=step), make_traits())

    assert config["WorkingDir"] == "/work/new/dir"


def test_podman_gets_what_csv_would_split_as_binds() -> None:
    mounts = (
        HostMount(source=HOME / "volume/a,b", target="/a,b", is_file=False),
        HostMount(source=HOME / "volume/w", target="/w", is_file=False),
    )

    docker = render(make_run(mounts=mounts), make_traits())["HostConfig"]
    podman = render(make_run(mounts=mounts), PODMAN)["HostConfig"]

    assert len(docker["Mounts"]) == 4
    assert "Binds" not in docker
    assert podman["Binds"] == [f"{HOME}/volume/a,b:/a,b:rw"]
    assert podman["Mounts"] == [m for m in docker["Mounts"] if m["Target"] != "/a,b"]


def test_a_path_that_podman_cannot_mount_fails_the_step_for_good() -> None:
    mount = HostMount(source=HOME / "volume/a:b,c", target="/a:b,c", is_file=False)

    with pytest.raises(StepFailedError, match="a colon and a comma") as failure:
        render(make_run(mounts=(mount,)), PODMAN)

    assert not failure.value.lost


def _bind(source: str, target: str, *, read_only: bool = False) -> dict[str, Any]:
    return {"Type": "bind", "Source": source, "Target": target, "ReadOnly": read_only}


LIMITS = {
    "more cpu than the engine has is cut": ({}, {"cpu_cores": 9}, 8 * 10**9, 2 * GIB),
    "no less than engines accept": (
        {},
        {"cpu_cores": 0.001, "ram": 1},
        10**7,
        8 * 1024**2,
    ),
    "none that the engine cannot enforce": (
        {"limits_cpu": False, "limits_memory": False},
        {},
        None,
        None,
    ),
}


@pytest.mark.parametrize(
    ("traits", "run", "cpus", "memory"), LIMITS.values(), ids=LIMITS
)
def test_limits(
    traits: dict[str, Any], run: dict[str, Any], cpus: int | None, memory: int | None
) -> None:
    host = render(make_run(**run), make_traits(**traits))["HostConfig"]

    assert host.get("NanoCpus") == cpus
    assert host.get("Memory") == memory
    assert host.get("MemorySwap") == memory


def test_limits_that_are_not_enforced_are_reported() -> None:
    assert make_traits().notices() == ()
    assert make_traits(limits_cpu=False).notices() == (
        "Engine 27.1 cannot enforce cpu limits for this user",
    )


@pytest.mark.parametrize(
    ("product", "version", "lapses"),
    [
        ("Podman Engine", "4.3.1", True),
        ("Podman Engine", "5.8.0-rc1", True),
        ("Podman Engine", "6.0.0", False),
        ("Podman Engine", "", True),
        ("Engine", "27.1", False),
    ],
)
def test_engines_that_keep_networks_apart_only_sometimes_are_known(
    product: str, version: str, lapses: bool
) -> None:
    assert make_traits(product=product, version=version).isolation_lapses is lapses


def test_an_attempt_is_read_back_from_labels() -> None:
    labels = render(make_run(), make_traits())["Labels"]

    assert labelled_attempt(labels) == Attempt(TaskId("t1"), 2)
    assert labelled_attempt({"tesk.home": "/"}) is None
    assert labelled_attempt({"tesk.task": "t1", "tesk.attempt": "x"}) is None
