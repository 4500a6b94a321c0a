"""The program of ``helm test``, against an api that a test can drive."""

import json
import os
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from charts.rendering import CHART
from programs.ports import free_port

PROGRAM = CHART / "files" / "helm_test.py"


class Api:
    """A TES server of one task, which puts ``output`` where the task says."""

    def __init__(self, *, output: bytes, state: str = "COMPLETE") -> None:
        self.output = output
        self.state = state
        self.task: dict[str, Any] = {}
        self.layouts: list[str] = []
        self.fetched = b""
        self.printed = ""
        self.failures = 1

    def answer(self, method: str, body: bytes) -> tuple[int, dict[str, Any]]:
        if self.failures:
            self.failures -= 1
            return 503, {"detail": "not ready"}
        if method == "POST":
            self.task = json.loads(body)
            parameters = self.task["resources"].get("backend_parameters", {})
            self.layouts.append(parameters.get("layout", ""))
            return 200, {"id": "a"}
        self._move()
        log = {"stdout": self.printed}
        return 200, {"id": "a", "state": self.state, "logs": [{"logs": [log]}]}

    def _move(self) -> None:
        for each in self.task["inputs"]:
            if "url" in each:
                with urllib.request.urlopen(each["url"]) as found:
                    self.fetched = found.read()
        for each in self.task["outputs"]:
            put = urllib.request.Request(each["url"], self.output, method="PUT")
            with urllib.request.urlopen(put) as done:
                assert done.status == 201


@contextmanager
def serving(api: Api) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            self._answer()

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, document = api.answer(self.command, body)
            data = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def run(
    api: Api, layouts: str = "", urls: str = "true"
) -> subprocess.CompletedProcess[str]:
    with serving(api) as address:
        own = {"API": address, "ADDRESS": "127.0.0.1", "IMAGE": "python:3"}
        own |= {"PORT": str(free_port()), "LAYOUTS": layouts, "URLS": urls}
        return subprocess.run(
            [sys.executable, str(PROGRAM)],
            env={**os.environ, **own, "SECONDS": "20", "AUTH": "none"},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )


def test_it_passes_when_the_output_holds_both_inputs() -> None:
    api = Api(output=b"fetched inline")
    done = run(api)
    assert done.returncode == 0, done.stderr
    assert api.fetched == b"fetched"
    assert api.task["inputs"][0]["content"] == "inline"


@pytest.mark.parametrize(("printed", "code"), [("inline\n", 0), ("", 1)])
def test_without_private_networks_it_looks_at_what_the_task_prints(
    printed: str, code: int
) -> None:
    api = Api(output=b"")
    api.printed = printed

    done = run(api, urls="false")

    assert done.returncode == code, done.stdout
    assert [list(each) for each in api.task["inputs"]] == [["content", "path"]]
    assert api.task["outputs"] == []


def test_it_runs_a_task_in_each_layout() -> None:
    api = Api(output=b"fetched inline")

    done = run(api, "jobs pod")

    assert done.returncode == 0, done.stderr
    assert api.layouts == ["jobs", "pod"]


def test_without_a_choice_the_task_asks_for_no_layout() -> None:
    api = Api(output=b"fetched inline")

    run(api)

    assert api.layouts == [""]


def test_it_fails_when_the_output_is_another() -> None:
    done = run(Api(output=b"something else"))
    assert done.returncode == 1
    assert "something else" in done.stdout


def test_it_fails_when_the_task_does() -> None:
    done = run(Api(output=b"fetched inline", state="SYSTEM_ERROR"))
    assert done.returncode == 1
    assert "SYSTEM_ERROR" in done.stdout
