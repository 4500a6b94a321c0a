"""``tesk serve`` and ``tesk run`` as people use them, with the real services."""

import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from builders.tasks import make_task_json
from programs.serve_command import TESK, Serving, end_leftovers, serving
from programs.waiting import eventually

HELLO = json.dumps(make_task_json())
LONG = json.dumps(
    make_task_json(executors=[{"image": "busybox", "command": ["sleep", "600"]}])
)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Serving]:
    made = serving(tmp_path)
    yield made
    end_leftovers(made)


def end(process: subprocess.Popen[str], number: int = signal.SIGINT) -> int:
    process.send_signal(number)
    return process.wait(60)


def log(server: Serving) -> str:
    return (server.folder / "serve.log").read_text()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_server_prints_its_url_and_ends_when_told(
    server: Serving, number: int
) -> None:
    process = server.start()
    info = httpx.get(f"{server.url}/ga4gh/tes/v1/service-info").json()
    browser = {"Accept": "text/html"}
    shown = httpx.get(f"{server.url}/", headers=browser, follow_redirects=True)
    created = server.tesk("task", "create", "-", stdin=HELLO)

    code = end(process, number)

    assert code == 0
    assert created.returncode == 0
    assert f"{server.folder.as_uri()}/" in info["storage"]
    assert "There are no tasks yet" in shown.text
    assert "  page    http://127.0.0.1:" in log(server)
    for word in ("TESK is ready", str(server.home), "TESK_FILE_ROOTS", "Ctrl-C"):
        assert word in log(server)
    assert not (server.home / "serve.json").exists()


def test_a_server_without_folders_named_makes_one_of_its_own(
    tmp_path: Path,
) -> None:
    with_roots = serving(tmp_path)
    environ = {**with_roots.environ, "HOME": str(tmp_path / "user")}
    del environ["TESK_FILE_ROOTS"]
    (tmp_path / "user").mkdir()
    server = Serving(tmp_path, environ)
    try:
        process = server.start()
        quickstart = Path(__file__).parents[3] / "examples" / "quickstart.json"
        here = tmp_path / "user/tesk-files"
        result = server.tesk("run", str(quickstart), cwd=here)
        end(process)
    finally:
        end_leftovers(server)

    assert f"files   {here} " in log(server)
    assert result.returncode == 0, result.stderr
    assert (here / "quickstart-output/report.txt").is_file()


def test_tasks_that_do_not_end_are_named_at_the_end_and_taken_up_again(
    server: Serving,
) -> None:
    process = server.start()
    task_id = server.tesk("task", "create", "-", stdin=LONG).stdout.strip()
    eventually(lambda: _state(server, task_id) == "RUNNING", what="RUNNING")

    end(process)

    assert f"1 task did not end yet: {task_id}" in log(server)
    process = server.start()
    assert server.tesk("task", "cancel", task_id).returncode == 0
    assert server.tesk("task", "wait", task_id).stdout == f"{task_id} CANCELED\n"
    end(process)


def test_an_accepted_task_survives_a_supervisor_that_is_killed(
    server: Serving,
) -> None:
    process = server.start()
    task_id = server.tesk("task", "create", "-", stdin=HELLO).stdout.strip()

    end(process, signal.SIGKILL)

    process = server.start()
    assert server.tesk("task", "wait", task_id).stdout == f"{task_id} COMPLETE\n"
    end(process)


def test_a_second_server_is_refused_with_the_url_of_the_first(server: Serving) -> None:
    process = server.start()

    second = server.tesk("serve")

    assert second.returncode == 2
    assert second.stderr.startswith("tesk: a server runs on the state folder")
    assert server.url in second.stderr
    end(process)


REFUSED = {
    "a sandbox for other machines": ({"HOST": "0.0.0.0"}, 3, "HOST=0.0.0.0 would let"),
    "a setting that is not valid": ({"PORT": "many"}, 2, "api.port (PORT): "),
    "a quota that is not valid": (
        {"TESK_QUOTA_CAPACITY": "1"},
        3,
        "TESK_QUOTA_CAPACITY",
    ),
    "a folder for tasks that holds TESK": (
        {"TESK_FILE_ROOTS": str(Path(__file__).parents[3])},
        3,
        "where no task reads or writes; name another folder",
    ),
    "a state folder that is a file": ({"TESK_HOME": "/dev/null"}, 3, "set TESK_HOME"),
}


@pytest.mark.parametrize(
    ("environ", "code", "want"), REFUSED.values(), ids=list(REFUSED)
)
def test_a_server_that_cannot_start_prints_one_line_that_says_why(
    server: Serving, environ: dict[str, str], code: int, want: str
) -> None:
    broken = Serving(server.folder, {**server.environ, **environ})

    result = broken.tesk("serve")

    line = result.stderr.splitlines()[-1]
    assert result.returncode == code
    assert line.startswith("tesk: ")
    assert want in line


def test_run_without_a_server_brings_its_own(server: Serving) -> None:
    result = server.tesk("run", "-", stdin=HELLO)

    assert result.returncode == 0, result.stderr
    assert "own server: http://127.0.0.1:" in result.stderr
    assert "executor 0: exit code 0" in result.stdout
    assert "hello" in result.stdout


def test_run_of_a_failing_task_ends_as_the_task(server: Serving) -> None:
    failing = make_task_json(
        executors=[{"image": "busybox", "command": ["sh", "-c", "exit 42"]}]
    )

    result = server.tesk("run", "-", stdin=json.dumps(failing))

    assert result.returncode == 42, result.stderr
    assert "EXECUTOR_ERROR" in result.stdout


def test_an_interrupted_run_cancels_the_task_of_its_own_server(
    server: Serving,
) -> None:
    (server.folder / "long.json").write_text(LONG)
    with (server.folder / "run.log").open("w") as log:
        process = subprocess.Popen(
            [*TESK, "run", "long.json"],
            cwd=server.folder,
            env=server.environ,
            stdout=log,
            stderr=log,
            text=True,
        )

    def text() -> str:
        return (server.folder / "run.log").read_text()

    eventually(lambda: "RUNNING" in text(), what="RUNNING")
    code = end(process)

    assert code == 130, text()
    assert text().splitlines()[-1] == "CANCELED"


def test_runs_at_once_share_a_server_and_survive_its_end(server: Serving) -> None:
    def sleeping(seconds: float) -> list[str]:
        name = f"sleep-{seconds}.json"
        task = make_task_json(
            executors=[{"image": "busybox", "command": ["sleep", str(seconds)]}]
        )
        (server.folder / name).write_text(json.dumps(task))
        return [*TESK, "run", name]

    with (server.folder / "runs.log").open("w") as log:
        processes = [
            subprocess.Popen(
                sleeping(seconds),
                cwd=server.folder,
                env=server.environ,
                stdout=log,
                stderr=log,
                text=True,
            )
            for seconds in (1.5, 6)
        ]
        codes = [process.wait(90) for process in processes]

    text = (server.folder / "runs.log").read_text()
    assert codes == [0, 0], text
    assert text.count(": COMPLETE\n") == 2, text


def test_another_server_is_reached_by_any_of_its_addresses(server: Serving) -> None:
    process = server.start()
    elsewhere = Serving(
        server.folder, {**server.environ, "TESK_HOME": str(server.folder / "other")}
    )

    codes = [
        elsewhere.tesk("task", "list", "--server", server.url + base).returncode
        for base in ("", "/", "/v1", "/ga4gh/tes/v1")
    ]
    missing = elsewhere.tesk("task", "get", "nope", "--server", server.url)
    away = elsewhere.tesk("task", "list", "--server", "http://127.0.0.1:1")

    assert codes == [0, 0, 0, 0]
    assert (missing.returncode, away.returncode) == (4, 3)
    assert missing.stderr == "tesk: no task nope\n"
    assert len(away.stderr.splitlines()) == 1
    end(process)


def _state(server: Serving, task_id: str) -> str:
    text = server.tesk("task", "get", task_id, "--view", "MINIMAL").stdout
    return str(json.loads(text)["state"]) if text else ""
