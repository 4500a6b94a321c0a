"""Checks of tasks must not find out more than tasks, nor be a scanner of ports."""

import socket
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import httpx
import pytest

from builders.tasks import make_task_json
from programs.stack import Stack, running_stack
from programs.waiting import eventually
from servers.http import Fault, http_server

REFUSING = {
    "TESK_FILER_LOOPBACK": "refuse",
    "TESK_FILER_PRIVATE_NETWORKS": "refuse",
    "TESK_FILER_CHECK_TIMEOUT": "20",
    "TESK_FILER_CHECKED_URLS_PER_MINUTE": "300",
}
SERVICES = ("scheduler", "api", "storage checks")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("stack")
    with running_stack(folder, environ=REFUSING, services=SERVICES) as running:
        eventually(lambda: send(running, ["s3://b/k"]).json()["storage"]["checked"])
        yield running


def send(stack: Stack, urls: list[str]) -> httpx.Response:
    inputs = [{"path": f"/in/{n}", "url": url} for n, url in enumerate(urls)]
    return httpx.post(
        f"{stack.url}/tesk/v1/tasks:check",
        json=make_task_json(inputs=inputs),
        timeout=90,
    )


def checks(stack: Stack, urls: list[str]) -> list[Any]:
    answer = send(stack, urls)
    assert answer.status_code == 200, answer.text
    found: list[Any] = answer.json()["inputs"]
    return found


def test_internal_addresses_are_not_connected_to(stack: Stack) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        listener.settimeout(0)
        port = listener.getsockname()[1]

        found = checks(
            stack,
            [
                f"http://127.0.0.1:{port}/x",
                f"http://localhost:{port}/x",
                f"http://[::ffff:127.0.0.1]:{port}/x",
                f"http://2130706433:{port}/x",
                "http://169.254.169.254/latest/meta-data/",
                f"ftp://127.0.0.1:{port}/x",
                "http://10.0.0.1/x",
            ],
        )

        with pytest.raises(BlockingIOError):
            listener.accept()
    assert {each["verdict"] for each in found} == {"failed"}


def test_an_open_port_and_a_closed_one_look_the_same(stack: Stack) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port = listener.getsockname()[1]
        [opened] = checks(stack, [f"http://127.0.0.1:{port}/x"])
    [closed] = checks(stack, [f"http://127.0.0.1:{port}/x"])

    assert opened["message"] == closed["message"]


def test_files_outside_the_folders_of_tasks_are_not_told_to_be_there(
    stack: Stack,
) -> None:
    token = stack.home / "token"
    there, missing = checks(
        stack, [f"file://{token}", f"file://{stack.home}/there-is-no-such-file"]
    )

    assert {there["verdict"], missing["verdict"]} == {"failed"}
    assert "size_bytes" not in there
    assert there["message"].replace("token", "") == missing["message"].replace(
        "there-is-no-such-file", ""
    )


def test_urls_are_looked_at_only_so_often(stack: Stack) -> None:
    urls = [f"file://{stack.files}/{number}" for number in range(100)]

    answers = [send(stack, urls) for _ in range(4)]

    refused = [each for each in answers if each.status_code == 429]
    assert refused
    assert "in a minute" in refused[0].json()["message"]
    assert int(refused[0].headers["Retry-After"]) > 0


def test_redirects_into_the_machine_are_not_followed(tmp_path_factory: Any) -> None:
    folder = tmp_path_factory.mktemp("redirects")
    with (
        http_server() as inner,
        http_server() as outer,
        running_stack(
            folder,
            environ={
                "TESK_URLS_DENY": f"{inner.url}/",
                "TESK_FILER_CHECK_TIMEOUT": "20",
            },
            services=SERVICES,
        ) as stack,
    ):
        eventually(lambda: send(stack, ["s3://b/k"]).json()["storage"]["checked"])
        inner.files["/secret"] = b"x"
        outer.faults["/a"] = [Fault(status=302, location=f"{inner.url}/secret")] * 10

        [found] = checks(stack, [f"{outer.url}/a"])

        assert found["verdict"] == "failed"
        assert inner.requests == []
