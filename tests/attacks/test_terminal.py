"""Untrusted text of a server reaches the terminal with control characters escaped."""

import json
import os
import pty
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

# Title, clear screen by one character, writing backwards, an end of line that lies.
EVIL = "x\x1b]0;owned\x07\x9b2J\u202ey\r\nCOMPLETE"
TASK: dict[str, Any] = {
    "id": "t-1",
    "state": "EXECUTOR_ERROR",
    "name": EVIL,
    "creation_time": "2026-01-01T00:00:00Z" + EVIL,
    "tags": {EVIL: EVIL},
    "executors": [{"image": EVIL, "command": [EVIL]}],
    "logs": [
        {
            "logs": [{"exit_code": 1, "stdout": EVIL, "stderr": EVIL}],
            "outputs": [{"url": EVIL, "path": EVIL, "size_bytes": "1"}],
            "metadata": {EVIL: EVIL},
            "system_logs": [EVIL],
        }
    ],
}
REFUSAL = {"status": 400, "errors": [{"path": EVIL, "message": EVIL}]}


class Hostile(BaseHTTPRequestHandler):
    """Answers with escape sequences, as an attacker would."""

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path.endswith("/tasks"):
            self._answer(200, {"tasks": [TASK]})
        elif path.endswith("/t-refused"):
            self._answer(400, REFUSAL)
        elif path.endswith("/t-down"):
            self._answer(403, {"message": EVIL})
        elif "/tesk/" in path:
            self._answer(404, {"message": "there is nothing at this path"})
        else:
            self._answer(200, TASK)

    def _answer(self, status: int, document: dict[str, Any]) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
        """Log nothing."""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Hostile) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


def on_terminal(*arguments: str) -> str:
    """Run the command on a terminal of its own; return its output there."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "tesk_cli", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
        env=os.environ | {"TERM": "xterm", "NO_COLOR": "1", "COLUMNS": "200"},
    ):
        os.close(theirs)
        seen = b""
        try:
            while block := os.read(ours, 65536):
                seen += block
        except OSError:
            pass  # its last process has ended
    os.close(ours)
    return seen.decode()


COMMANDS = {
    "list": ("task", "list"),
    "list as JSON": ("task", "list", "--output", "json"),
    "get": ("task", "get", "t-1"),
    "logs": ("task", "logs", "t-1"),
    "wait": ("task", "wait", "t-1"),
    "refused": ("task", "get", "t-refused"),
    "forbidden": ("task", "get", "t-down"),
}


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_untrusted_text_does_not_control_the_terminal(
    server: str, command: tuple[str, ...]
) -> None:
    seen = on_terminal(*command, "--server", server)

    for hostile in ("\x1b]", "\x07", "\x9b", "\u202e"):
        assert hostile not in seen
    assert "owned" in seen or "t-1" in seen


def test_untrusted_text_cannot_forge_a_line(server: str) -> None:
    lines = on_terminal("task", "list", "--server", server).splitlines()

    assert not any(line.startswith("COMPLETE") for line in lines)
    assert any(
        "\\x1b]0;owned\\x07\\x9b2J\\u202ey\\r\\nCOMPLETE" in line for line in lines
    )


def test_a_pipe_gets_output_unchanged(server: str) -> None:
    command = [sys.executable, "-m", "tesk_cli", "task", "logs", "t-1", "-s", server]
    done = subprocess.run(command, capture_output=True, check=True)

    assert done.stdout.decode() == EVIL
