"""Runs commands as a user types them."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from typer.testing import CliRunner, Result

from fakes.task_server import FakeTaskServer
from tesk_cli.adapters.examples import example_path, list_examples
from tesk_cli.adapters.system_clock import SystemClock
from tesk_cli.adapters.validation import parse_task, validate_task
from tesk_cli.cli.app import build_app
from tesk_cli.cli.dependencies import Dependencies


class EmbeddedServer(SystemClock):
    """A server that a command started."""

    url = "http://own.test"
    engine = "sandbox"


class Terminal:
    """Runs commands; records the urls of the servers that they call."""

    def __init__(self, server: FakeTaskServer, local: str | None = "http://l") -> None:
        self.urls: list[str] = []
        self._server = server
        self.dependencies = Dependencies(
            connect=self._connect,
            validate=validate_task,
            parse=parse_task,
            storage=lambda _folders: pytest.fail("opens no storage"),
            clock=SystemClock(),
            local_server=lambda: local,
            embedded=lambda _folders: self._embedded(),
            serve=lambda _verbose: None,
            examples=list_examples,
            example_path=example_path,
            simulation=lambda _quota, _trace: pytest.fail("simulates nothing"),
            admin=lambda _caller: pytest.fail("calls no scheduler"),
        )

    def _connect(self, url: str) -> FakeTaskServer:
        self.urls.append(url)
        return self._server

    @contextmanager
    def _embedded(self) -> Iterator[EmbeddedServer]:
        yield EmbeddedServer()

    def run(self, *arguments: str, stdin: bytes = b"") -> Result:
        return CliRunner().invoke(
            build_app(),
            list(arguments),
            obj=self.dependencies,
            input=stdin,
            env={"TERM": "dumb"},
        )
