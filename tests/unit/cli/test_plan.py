from pathlib import Path

import pytest

from tesk_cli.serve.errors import ServeError
from tesk_cli.serve.plan import (
    ServerPlan,
    choose_engine,
    server_url,
    service_environ,
)


def plan(host: str = "127.0.0.1", engine: str = "auto") -> ServerPlan:
    return ServerPlan(
        host=host,
        port=8080,
        home=Path("/home/tesk"),
        engine=engine,
        file_roots=(Path("/a"), Path("/b")),
        environ={"PATH": "/bin", "TESK_QUOTA_CAPACITY": "{}"},
    )


ENGINES = {
    "auto takes containers": ("127.0.0.1", "auto", True, "container"),
    "auto falls back to the sandbox": ("127.0.0.1", "auto", False, "sandbox"),
    "the sandbox if asked for": ("::1", "sandbox", True, "sandbox"),
    "containers for everybody": ("0.0.0.0", "auto", True, "container"),
}


@pytest.mark.parametrize(
    ("host", "engine", "answers", "want"), ENGINES.values(), ids=list(ENGINES)
)
def test_the_engine_is_chosen(host: str, engine: str, answers: bool, want: str) -> None:
    assert (
        choose_engine(
            plan(host, engine), container_problem="" if answers else "no engine answers"
        )
        == want
    )


REFUSED = {
    "a sandbox for other machines": ("0.0.0.0", "sandbox", True, "HOST=0.0.0.0"),
    "no containers for other machines": ("10.0.0.1", "auto", False, "HOST=10.0.0.1"),
    "containers without engine": ("127.0.0.1", "container", False, "no engine answers"),
}


@pytest.mark.parametrize(
    ("host", "engine", "answers", "want"), REFUSED.values(), ids=list(REFUSED)
)
def test_a_dangerous_or_missing_engine_is_refused(
    host: str, engine: str, answers: bool, want: str
) -> None:
    with pytest.raises(ServeError, match=want):
        choose_engine(
            plan(host, engine), container_problem="" if answers else "no engine answers"
        )


URLS = {
    "127.0.0.1": "http://127.0.0.1:1",
    "::1": "http://[::1]:1",
    "0.0.0.0": "http://127.0.0.1:1",
    "::": "http://[::1]:1",
}


@pytest.mark.parametrize(("host", "want"), URLS.items(), ids=list(URLS))
def test_the_url_is_one_that_can_be_asked(host: str, want: str) -> None:
    assert server_url(host, 1) == want


def test_services_inherit_the_environment_and_find_each_other() -> None:
    environ = service_environ(
        plan(),
        engine="sandbox",
        token_file=Path("/t"),
        socket=Path("/s"),
        storage_socket=Path("/f"),
    )

    assert environ["TESK_QUOTA_CAPACITY"] == "{}"
    assert environ["TESK_FILE_ROOTS"] == "/a:/b"
    assert environ["TESK_ENGINE"] == "sandbox"
    assert environ["TESK_GRPC_SCHEDULER"] == environ["TESK_SCHEDULER_LISTEN"]
    assert environ["TESK_GRPC_STORAGE"] == environ["TESK_FILER_LISTEN"] == "unix:/f"
