"""Storages that answer with something else, that do not answer, or that forbid."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from programs.stack import Stack, running_stack
from servers.ftp import FtpKind, ftp_server
from servers.http import Fault, HttpFiles, http_server
from tesk_model.schemes import SCHEMES

FAST = {
    "TESK_FILER_TRIES": "2",
    "TESK_FILER_BACKOFF": "0.01",
    "TESK_TASKMASTER_UPLOAD_TRIES": "3",
    "TESK_TASKMASTER_UPLOAD_BACKOFF": "0.05",
    "TESK_SCHEDULER_MAX_ATTEMPTS": "3",
}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running_stack(tmp_path_factory.mktemp("stack"), environ=FAST) as running:
        yield running


@pytest.fixture
def web() -> Iterator[HttpFiles]:
    with http_server() as server:
        yield server


def copying(url: str, *, to: str = "", kind: str = "FILE") -> dict[str, Any]:
    """Return a task that brings ``url`` and prints what has come."""
    return {
        "inputs": [{"path": "/in/x", "url": url, "type": kind}],
        "executors": [{"image": "busybox", "command": ["find", "/in/x", "-type", "f"]}],
        "outputs": [{"path": "/in/x", "url": to}] if to else [],
    }


def writing(url: str, counted: Path) -> dict[str, Any]:
    """Return a task with an output; each run of its command is counted."""
    command = f"echo run >> {counted.name}; echo result > /out/o"
    return {
        "executors": [
            {
                "image": "busybox",
                "workdir": "/count",
                "command": ["sh", "-c", command],
            }
        ],
        "outputs": [
            {"path": "/out/o", "url": url},
            {"path": f"/count/{counted.name}", "url": f"file://{counted}"},
        ],
    }


def said(task: dict[str, Any]) -> str:
    return "\n".join(task["logs"][-1]["system_logs"])


ANSWERS = {
    "a part of it": (206, {"Content-Range": "bytes 0-9/7000"}),
    "choices": (300, {}),
    "that nothing has changed": (304, {}),
    "a redirect elsewhere": (302, {"Location": "ftp://127.0.0.1/a"}),
    "a redirect to nowhere": (302, {"Location": "http://[::1/a"}),
    "an absurd length": (200, {"Content-Length": "9" * 5000}),
}


@pytest.mark.parametrize(("status", "headers"), ANSWERS.values(), ids=ANSWERS)
def test_a_response_that_is_not_the_file_fails_the_task_with_a_reason(
    stack: Stack, web: HttpFiles, status: int, headers: dict[str, str]
) -> None:
    body = b"" if status == 304 else b"something"
    web.faults["/a"] = [Fault(status=status, body=body, headers=headers)] * 9

    task = stack.run(copying(web.url + "/a"))

    assert task["state"] == "SYSTEM_ERROR"
    assert "inputs[0] (/in/x)" in said(task)
    assert "internal error" not in said(task)
    assert len(web.requests) == 1


METADATA = {
    "by its address": "http://169.254.169.254/latest/meta-data/",
    "by its address as a number": "http://2852039166/latest/meta-data/",
    "by its address within IPv6": "http://[::ffff:169.254.169.254]/latest/meta-data/",
    "by IPv6": "http://[fd00:ec2::254]/latest/meta-data/",
}


@pytest.mark.parametrize("url", METADATA.values(), ids=METADATA)
def test_a_url_or_redirect_to_a_metadata_service_fails_the_task_at_once(
    stack: Stack, web: HttpFiles, url: str
) -> None:
    web.faults["/a"] = [Fault(status=302, location=url)]

    for each in (url, web.url + "/a"):
        task = stack.run(copying(each))

        assert task["state"] == "SYSTEM_ERROR"
        assert "a metadata service, which is always refused" in said(task)


# All whose urls name a host.
WITH_HOSTS = [name for name, scheme in SCHEMES.items() if scheme.port]


@pytest.mark.parametrize("scheme", WITH_HOSTS)
def test_no_scheme_leads_to_a_metadata_service(stack: Stack, scheme: str) -> None:
    task = stack.run(copying(f"{scheme}://u:p@169.254.169.254/latest/a"))

    assert task["state"] == "SYSTEM_ERROR"
    assert "a metadata service, which is always refused" in said(task)


def test_an_upload_that_fails_for_a_while_is_an_upload_again(
    stack: Stack, web: HttpFiles
) -> None:
    web.faults["/o"] = [Fault(status=503)] * 3
    counted = stack.files / "once"

    task = stack.run(writing(web.url + "/o", counted))

    assert task["state"] == "COMPLETE", said(task)
    assert "the outputs were uploaded at try 2" in said(task)
    assert web.files["/o"] == b"result\n"
    assert counted.read_text() == "run\n"


def test_an_upload_that_fails_for_ever_does_not_run_the_command_again(
    stack: Stack, web: HttpFiles
) -> None:
    web.faults["/o"] = [Fault(status=503)] * 100
    counted = stack.files / "never"

    task = stack.run(writing(web.url + "/o", counted))

    assert task["state"] == "SYSTEM_ERROR"
    assert "the outputs could not be uploaded, tried 3 times" in said(task)
    assert [each["url"] for each in task["logs"][-1]["outputs"]] == [
        f"file://{counted}"
    ]
    assert counted.read_text() == "run\n"
    assert len(web.requests) == 6


def test_a_taskmaster_that_dies_between_two_tries_changes_nothing(
    tmp_path: Path, web: HttpFiles
) -> None:
    web.faults["/o"] = [Fault(status=503)] * 5
    slow = FAST | {
        "TESK_TASKMASTER_UPLOAD_TRIES": "5",
        "TESK_TASKMASTER_UPLOAD_BACKOFF": "2",
    }
    with running_stack(tmp_path, environ=slow) as stack:
        task_id = stack.create(writing(web.url + "/o", stack.files / "count"))
        stack.wait_for(task_id, "RUNNING")
        assert web.put.wait(60)
        stack.kill("taskmaster")
        task = stack.finish(task_id)

        assert task["state"] == "COMPLETE", said(task)
        assert (stack.files / "count").read_text() == "run\n"


def test_a_head_response_of_another_page_does_not_disprove_an_upload(
    stack: Stack, web: HttpFiles
) -> None:
    web.files["/login"] = b"please log in"
    web.faults["/o"] = [Fault(), Fault(status=302, location="/login")]

    task = stack.run(writing(web.url + "/o", stack.files / "page"))

    assert task["state"] == "COMPLETE", said(task)
    assert web.requests == [("PUT", "/o"), ("HEAD", "/o")]


TREES = {
    "patterns as arguments": FtpKind(takes_patterns=True),
    "neither MLSD nor SIZE": FtpKind(without=frozenset({"MLSD", "MLST", "SIZE"})),
    "no walls around users": FtpKind(is_open=True),
}


@pytest.mark.parametrize("kind", TREES.values(), ids=TREES)
def test_a_directory_arrives_from_any_ftp_server(
    stack: Stack, tmp_path: Path, kind: FtpKind
) -> None:
    for name in ("run [1]/a", "run [1]/.hidden", "run [1]/sub{2}*/b"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)

    with ftp_server(tmp_path, kind) as server:
        task = stack.run(copying(f"{server.url}/run%20%5B1%5D", kind="DIRECTORY"))

    assert task["state"] == "COMPLETE", said(task)
    found = task["logs"][0]["logs"][0]["stdout"].splitlines()
    assert sorted(found) == ["/in/x/.hidden", "/in/x/a", "/in/x/sub{2}*/b"]


def test_a_url_for_two_files_is_reported_for_one_only(stack: Stack) -> None:
    script = "echo long first file > /o/a; echo b > /o/b"
    task = stack.run(
        {
            "executors": [{"image": "busybox", "command": ["sh", "-c", script]}],
            "outputs": [
                {"path": "/o/[a]", "path_prefix": "/o", "url": f"{stack.files}/s"},
                {"path": "/o/b", "url": f"{stack.files}/s/a"},
            ],
        }
    )

    assert task["state"] == "SYSTEM_ERROR"
    assert "outputs[0] brings another file to that url" in said(task)
    assert [each["path"] for each in task["logs"][0]["outputs"]] == ["/o/a"]
    assert (stack.files / "s/a").read_text() == "long first file\n"
