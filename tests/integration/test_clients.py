"""Real TES clients run their own small workflows."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import tes

from programs.stack import Stack, running_stack

ROOT = Path(__file__).parents[2]
# Made by `make test`: Snakemake needs an older py-tes than the other tests.
SNAKEMAKE = ROOT / "build" / "snakemake"

SNAKEFILE = """
rule all:
    input: "counts/total.txt"

rule shout:
    input: "data/{name}.txt"
    output: "loud/{name}.txt"
    shell: "tr a-z A-Z < {input} > {output}"

rule count:
    input: "loud/a.txt", "loud/b.txt"
    output: "counts/total.txt"
    resources: mem_mb=200
    shell: "cat {input} | wc -w > {output}"
"""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    programs = f"{SNAKEMAKE}:{Path(sys.base_prefix).resolve()}"
    with running_stack(
        tmp_path_factory.mktemp("clients"),
        environ={"TESK_TASKMASTER_SANDBOX_PROGRAMS": programs},
    ) as running:
        yield running


@pytest.mark.parametrize("base", ["", "/v1", "/ga4gh/tes/v1"])
def test_py_tes_runs_a_task(base: str, stack: Stack) -> None:
    client = tes.HTTPClient(f"{stack.url}{base}", timeout=60)
    data = stack.files / "input.txt"
    data.write_text("hello\n")

    task_id = client.create_task(
        tes.Task(
            name="md5",
            executors=[
                tes.Executor(
                    image="busybox", command=["md5sum", "/in/a"], stdout="/out/sum"
                )
            ],
            inputs=[tes.Input(url=f"file://{data}", path="/in/a", type="FILE")],
            outputs=[tes.Output(url=f"file://{stack.files}/sum", path="/out/sum")],
            tags={"engine": "py-tes"},
        )
    )
    client.wait(task_id, timeout=100)
    task = client.get_task(task_id, view="FULL")

    assert task.state == "COMPLETE"
    assert task.logs[0].logs[0].exit_code == 0
    assert (stack.files / "sum").read_text().startswith("b1946ac92492d234")


def test_py_tes_lists_cancels_and_reads_service_info(stack: Stack) -> None:
    client = tes.HTTPClient(stack.url, timeout=60)
    executor = tes.Executor(image="busybox", command=["sleep", "100"])
    ids = {client.create_task(tes.Task(executors=[executor])) for _ in range(3)}

    listed = client.list_tasks(view="BASIC", page_size=2)
    for task_id in ids:
        client.cancel_task(task_id)
        stack.wait_for(task_id, "CANCELED")  # its own wait ends at CANCELING

    assert len(listed.tasks) == 2
    assert listed.next_page_token
    assert {client.get_task(task_id).state for task_id in ids} == {"CANCELED"}
    assert client.get_service_info().type["artifact"] == "tes"


@pytest.mark.timeout(300)
def test_snakemake_runs_a_workflow(stack: Stack) -> None:
    folder = stack.files / "workflow"
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "a.txt").write_text("one two\n")
    (folder / "data" / "b.txt").write_text("three\n")
    (folder / "Snakefile").write_text(SNAKEFILE)

    run = subprocess.run(
        [
            SNAKEMAKE / "bin" / "snakemake",
            *("--tes", f"{stack.url}/ga4gh/tes", "--jobs", "2"),
            *("--container-image", "busybox", "--max-status-checks-per-second", "10"),
        ],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "HOME": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )

    assert run.returncode == 0, run.stdout
    assert (folder / "counts" / "total.txt").read_text().strip() == "3"
