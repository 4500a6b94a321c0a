"""Tasks that try to read or write files of TESK or files that run later.

A real server whose allowed folder holds everything: its own state, a project with
git, keys. The interpreter and the checkout are allowed as well, by ``/``.
"""

import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from builders.tasks import make_task_json
from clients.tes import TesClient
from programs.serve_command import served
from programs.stack import Stack

REPOSITORY = Path(__file__).parents[2]
LEFT = "left-by-an-attack.py"
SECRET = "the-password-of-a-user"
REFUSAL = "where no task reads or writes"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Give a server for which all of this machine is allowed."""
    folder = tmp_path_factory.mktemp("roots")
    programs = folder.resolve() / "programs"
    programs.mkdir()
    (programs / "tool").write_text("for all")
    (programs / "users").write_text(SECRET)
    made = Stack(
        folder,
        environ={
            "TESK_FILE_ROOTS": "/",
            "TESK_TASKMASTER_SANDBOX_PROGRAMS": str(programs),
            "TESK_PROTECTED": str(programs / "users"),
        },
    )
    (made.files / "project/.git/hooks").mkdir(parents=True)
    (made.files / "project/data.txt").write_text("data")
    (made.files / "state").symlink_to(made.home)
    try:
        made.start()
        yield made
    finally:
        made.close()


def places(stack: Stack) -> dict[str, Path]:
    """Return what an attack would write, by what it is."""
    return {
        "the state": stack.home / LEFT,
        "the state through a link": stack.files / "state" / LEFT,
        "the volume of another task": stack.home / "tasks" / LEFT,
        "a hook of git": stack.files / "project/.git/hooks" / LEFT,
        "keys": stack.files / ".ssh" / LEFT,
        "the start of a shell": stack.files / ".profile",
        "programs of a session": stack.files / ".config/autostart" / LEFT,
        "the checkout": REPOSITORY / LEFT,
        "the environment": Path(sys.prefix) / LEFT,
        "what the interpreter imports at start": (
            Path(sysconfig.get_path("purelib")) / LEFT
        ),
        "the interpreter": Path(sysconfig.get_path("stdlib")) / LEFT,
        "a package of TESK": REPOSITORY / "services/filer/src" / LEFT,
        "tables of times": Path("/etc/cron.d") / LEFT,
    }


def test_outputs_cannot_be_written_where_they_would_run_later(stack: Stack) -> None:
    ids = {
        what: stack.create(
            make_task_json(
                outputs=[{"path": "/out/it", "url": str(path)}],
                executors=[writing("/out/it")],
            )
        )
        for what, path in places(stack).items()
    }

    ends = {what: stack.finish(task_id) for what, task_id in ids.items()}

    for what, path in places(stack).items():
        was_there = path.exists()
        if was_there:
            path.unlink()
        assert not was_there, what
        assert ends[what]["state"] == "SYSTEM_ERROR", what
        assert REFUSAL in notices(ends[what]), what


def test_inputs_cannot_read_files_of_tesk(stack: Stack) -> None:
    wanted = {
        "the token": (stack.home / "token", "FILE"),
        "the database": (stack.home / "tesk.db", "FILE"),
        "the state": (stack.home, "DIRECTORY"),
        "the token, through a link": (stack.files / "state/token", "FILE"),
        "this process": (Path("/proc/self/environ"), "FILE"),
        "passwords": (Path("/etc/shadow"), "FILE"),
    }
    ids = {
        what: stack.create(
            make_task_json(
                inputs=[{"path": "/in/it", "url": str(path), "type": kind}],
                executors=[{"image": "busybox", "command": ["true"]}],
            )
        )
        for what, (path, kind) in wanted.items()
    }

    for what, task_id in ids.items():
        end = stack.finish(task_id)
        assert end["state"] == "SYSTEM_ERROR", what
        assert REFUSAL in notices(end), what


def test_commands_do_not_see_protected_paths(stack: Stack) -> None:
    programs = stack.home.parent.resolve() / "programs"
    task = stack.run(
        make_task_json(
            executors=[
                {"image": "busybox", "command": ["cat", f"{programs}/tool"]},
                {"image": "busybox", "command": ["cat", f"{programs}/users"]},
            ]
        )
    )

    said = [log["stdout"] for log in task["logs"][0]["logs"]]
    assert SECRET not in said
    assert said in (["for all", ""], [""])  # in a container there is neither


def test_a_folder_above_arrives_without_them_and_it_is_said(stack: Stack) -> None:
    task = stack.run(
        make_task_json(
            inputs=[{"path": "/in", "url": f"{stack.files}", "type": "DIRECTORY"}],
            executors=[{"image": "busybox", "command": ["find", "/in"]}],
        )
    )

    seen = task["logs"][0]["logs"][0]["stdout"].split()
    assert task["state"] == "COMPLETE"
    assert "/in/project/data.txt" in seen
    assert not [path for path in seen if "state" in path or ".git" in path]
    assert "state is left out: lies in TESK's own state" in notices(task)
    assert 'project/.git is left out: lies in ".git"' in notices(task)


def test_a_directory_output_does_not_reach_the_state_from_above(stack: Stack) -> None:
    script = f'mkdir -p "/out/home" && echo attack > "/out/home/{LEFT}"'
    task = stack.run(
        make_task_json(
            outputs=[
                {"path": "/out", "url": f"{stack.home.parent}", "type": "DIRECTORY"}
            ],
            executors=[{"image": "busybox", "command": ["sh", "-c", script]}],
        )
    )

    assert task["state"] == "SYSTEM_ERROR"
    assert REFUSAL in notices(task)
    assert not (stack.home / LEFT).exists()


def test_a_module_in_the_current_folder_is_not_imported(tmp_path: Path) -> None:
    """A task may write where the server was started."""
    mark = tmp_path / "imported"
    for name in ("tesk_filer", "tesk_taskmaster", "tesk_api", "msgspec", "json"):
        text = f"open({str(mark)!r}, 'w').close()\nraise SystemExit(1)\n"
        (tmp_path / f"{name}.py").write_text(text)

    with served(tmp_path) as place:
        server = TesClient(place.url)
        with server.client:
            task = server.run(
                make_task_json(
                    inputs=[{"path": "/in/a", "content": "a"}],
                    executors=[{"image": "busybox", "command": ["cat", "/in/a"]}],
                )
            )

    assert task["state"] == "COMPLETE"
    assert not mark.exists()


def writing(path: str) -> dict[str, Any]:
    """Return an executor that writes a file."""
    return {"image": "busybox", "command": ["sh", "-c", f"echo attack > {path}"]}


def notices(task: dict[str, Any]) -> str:
    """Return all that ``system_logs`` say."""
    return "\n".join(task["logs"][0]["system_logs"])
