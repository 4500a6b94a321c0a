"""Links that multiply or form cycles, endless trees, files full of holes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from files.deep_trees import make_deep
from programs.stack import Stack, running_stack
from servers.ftp import ftp_server
from tesk_runtime.removal import remove_tree

PAIRS = (
    "i=0; while [ $i -lt 28 ]; do n=$((i+1)); mkdir /o/d$i; ln -s ../d$n /o/d$i/a; "
    "ln -s ../d$n /o/d$i/b; i=$n; done; mkdir /o/d28; echo x > /o/d28/file"
)
ROUND = "echo x > /o/file; ln -s . /o/a; ln -s . /o/b"
DEEP = (  # six times 512 directories
    "cd /o; p=d; for i in 1 2 3 4 5 6 7 8 9; do p=$p/$p; done; "
    "for i in 1 2 3 4 5 6; do mkdir -p $p && cd -P $p || exit; done"
)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running_stack(tmp_path_factory.mktemp("stack")) as running:
        yield running


def leaving(script: str, *outputs: dict[str, Any]) -> dict[str, Any]:
    """Return a task whose command leaves what ``outputs`` take."""
    return {
        "executors": [{"image": "busybox", "command": ["sh", "-c", script]}],
        "outputs": list(outputs),
        "volumes": ["/o"],
    }


def said(task: dict[str, Any]) -> str:
    return "\n".join(task["logs"][-1]["system_logs"])


def test_links_do_not_multiply_a_file_by_the_thousand(stack: Stack) -> None:
    output = {"path": "/o/d0", "type": "DIRECTORY", "url": f"{stack.files}/pairs"}

    task = stack.run(leaving(PAIRS, output))

    assert task["state"] == "SYSTEM_ERROR"
    assert "lead to one directory by more than 1000 paths" in said(task)
    assert len(task["logs"][-1].get("outputs", [])) <= 1000


def test_a_pattern_over_symlink_cycles_ends(stack: Stack) -> None:
    endless = {"path": "/o" + "/*" * 60, "url": f"{stack.files}/endless"}
    all_of_it = {"path": "/o/*", "url": f"{stack.files}/round"}
    outputs = [{**each, "path_prefix": "/o"} for each in (endless, all_of_it)]

    task = stack.run(leaving(ROUND, *outputs))

    assert task["state"] == "COMPLETE", said(task)
    assert [each["path"] for each in task["logs"][0]["outputs"]] == ["/o/file"]
    assert "/o/a is a symlink cycle, not followed" in said(task)


def test_an_endless_tree_is_refused(stack: Stack) -> None:
    output = {"path": "/o", "type": "DIRECTORY", "url": f"{stack.files}/deep"}

    task = stack.run(leaving(DEEP, output))

    assert task["state"] == "SYSTEM_ERROR"
    assert "is nested deeper than 256 directories" in said(task)


def test_an_endless_input_is_refused(stack: Stack) -> None:
    top = stack.files / "bottomless"
    top.mkdir()
    make_deep(top, 3000)
    entry = {"path": "/in/d", "type": "DIRECTORY", "url": f"file://{top}"}

    task = stack.run(
        {
            "inputs": [entry],
            "executors": [{"image": "busybox", "command": ["true"]}],
        }
    )

    assert task["state"] == "SYSTEM_ERROR"
    assert "is nested deeper than 256 directories" in said(task)
    remove_tree(top)


def test_a_hole_stays_one(stack: Stack) -> None:
    target = stack.files / "sparse"
    output = {"path": "/o/sparse", "url": f"file://{target}"}

    task = stack.run(leaving("truncate -s 200M /o/sparse", output))

    assert task["state"] == "COMPLETE", said(task)
    assert target.stat().st_size == 200 * 1024 * 1024
    assert target.stat().st_blocks * 512 < 1024 * 1024


def test_an_ftp_area_with_links_to_itself_arrives_once(
    stack: Stack, tmp_path: Path
) -> None:
    (tmp_path / "d/sub").mkdir(parents=True)
    for name in ("d/file", "d/sub/g"):
        (tmp_path / name).write_text(name)
    (tmp_path / "d/self").symlink_to(".")
    (tmp_path / "d/again").symlink_to(".")
    (tmp_path / "d/sub/up").symlink_to("..")

    with ftp_server(tmp_path) as server:
        task = stack.run(
            {
                "inputs": [
                    {"path": "/in/d", "type": "DIRECTORY", "url": f"{server.url}/d"}
                ],
                "executors": [
                    {"image": "busybox", "command": ["find", "/in/d", "-type", "f"]}
                ],
            }
        )

    assert task["state"] == "COMPLETE", said(task)
    found = task["logs"][0]["logs"][0]["stdout"].split()
    assert sorted(found) == ["/in/d/file", "/in/d/sub/g"]
    assert said(task).count("is a symlink cycle, left out") == 3
