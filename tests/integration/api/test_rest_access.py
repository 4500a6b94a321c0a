"""Access to the REST API: users, credentials, pages of other origins."""

from typing import cast

import pytest

from builders.tasks import make_task_json
from clients.rest_answers import check_problem, document
from fakes.api_scheduler import MemoryScheduler
from fakes.api_server import make_client
from tesk_api.domain.allowed_origins import AllowedOrigins
from tesk_api.domain.requests import Caller
from tesk_api.http.app import AppOptions
from tesk_api.ports import Authenticator
from tesk_model.errors import UnauthenticatedError


class NameAuthenticator:
    """Reads the name of the user from the Authorization header."""

    challenge = 'Basic realm="x"'

    def authenticate(self, authorization: str | None, address: str) -> Caller:  # noqa: ARG002 - the port's
        if not authorization:
            raise UnauthenticatedError("who are you?")
        return Caller(user=authorization)


def test_users_see_their_own_tasks_only(scheduler: MemoryScheduler) -> None:
    client = make_client(
        scheduler, authenticator=cast("Authenticator", NameAuthenticator())
    )
    alice, bob = {"Authorization": "alice"}, {"Authorization": "bob"}
    client.post("/v1/tasks", json=make_task_json(), headers=alice)

    assert client.get("/v1/tasks/t-1", headers=alice).status_code == 200
    check_problem(client.get("/v1/tasks/t-1", headers=bob), 404)
    check_problem(client.post("/v1/tasks/t-1:cancel", headers=bob), 404)
    assert document(client.get("/v1/tasks", headers=bob)) == {"tasks": []}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/tasks"),
        ("POST", "/v1/tasks"),
        ("GET", "/v1/tasks/t-1"),
        ("POST", "/v1/tasks/t-1:cancel"),
        ("GET", "/tesk/v1/tasks/t-1"),
        ("GET", "/tesk/v1/tasks/t-1/report"),
        ("POST", "/tesk/v1/tasks:batch"),
        ("POST", "/tesk/v1/tasks:cancel"),
    ],
)
def test_tasks_need_credentials(
    scheduler: MemoryScheduler, method: str, path: str
) -> None:
    client = make_client(
        scheduler, authenticator=cast("Authenticator", NameAuthenticator())
    )

    answer = client.open(path, method=method)

    check_problem(answer, 401)
    assert answer.headers["WWW-Authenticate"] == 'Basic realm="x"'
    assert client.get("/v1/service-info").status_code == 200


PAGES = ("/web/tasks", "/web/tasks/t-1", "/web/submit")


@pytest.mark.parametrize("path", PAGES)
def test_pages_need_credentials_and_the_browser_asks(
    scheduler: MemoryScheduler, path: str
) -> None:
    client = make_client(
        scheduler, authenticator=cast("Authenticator", NameAuthenticator())
    )

    answer = client.get(path)

    assert (answer.status_code, answer.mimetype) == (401, "text/html")
    assert answer.headers["WWW-Authenticate"] == 'Basic realm="x"'


def test_users_see_nothing_of_each_other_on_pages(scheduler: MemoryScheduler) -> None:
    client = make_client(
        scheduler, authenticator=cast("Authenticator", NameAuthenticator())
    )
    alice, bob = {"Authorization": "alice"}, {"Authorization": "bob"}
    client.post("/v1/tasks", json=make_task_json(name="secret"), headers=alice)

    assert "secret" in client.get("/web/tasks", headers=alice).text
    assert "alice" in client.get("/web/tasks", headers=alice).text
    assert "secret" not in client.get("/web/tasks", headers=bob).text
    for path in ("/web/tasks/t-1", "/web/submit?like=t-1"):
        answer = client.get(path, headers=bob)
        assert (answer.status_code, "secret" in answer.text) == (404, False)


def test_options_need_no_credentials(scheduler: MemoryScheduler) -> None:
    client = make_client(
        scheduler, authenticator=cast("Authenticator", NameAuthenticator())
    )

    for path in ("/v1/tasks", "/v1/tasks/t-1", "/v1/tasks/t-1:cancel"):
        assert client.options(path).status_code == 200


def test_other_origins_need_a_setting(scheduler: MemoryScheduler) -> None:
    page = {"Origin": "https://page.example"}
    closed = make_client(scheduler)
    opened = make_client(
        scheduler,
        AppOptions(allowed_origins=AllowedOrigins(origins=("https://page.example",))),
    )

    assert (
        "Access-Control-Allow-Origin"
        not in closed.get("/v1/tasks", headers=page).headers
    )
    for answer in (
        opened.get("/v1/tasks", headers=page),
        opened.get("/v1/tasks/nothing", headers=page),
        opened.options(
            "/v1/tasks", headers=page | {"Access-Control-Request-Method": "POST"}
        ),
    ):
        assert answer.headers["Access-Control-Allow-Origin"] == "https://page.example"
    other = opened.get("/v1/tasks", headers={"Origin": "https://other.example"})
    assert "Access-Control-Allow-Origin" not in other.headers
