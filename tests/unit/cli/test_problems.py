import httpx
import pytest

from tesk_cli.adapters.problems import error_from_response
from tesk_model.errors import (
    InternalError,
    InvalidRequestError,
    NotFoundError,
    PermissionDeniedError,
    ResourceExhaustedError,
    TeskError,
    UnauthenticatedError,
    UnavailableError,
)

CASES: dict[str, tuple[int, str, type[TeskError], str]] = {
    "a problem document": (404, '{"message": "no task t"}', NotFoundError, "no task t"),
    "the detail of RFC 9457": (403, '{"detail": "d"}', PermissionDeniedError, "d"),
    "plain text": (401, "who?", UnauthenticatedError, "401 Unauthorized: who?"),
    "a page of HTML": (500, "<html>…</html>", InternalError, "500 Internal"),
    "too much": (429, '{"message": "full"}', ResourceExhaustedError, "full"),
    "a proxy without server": (502, "", UnavailableError, "502 Bad Gateway"),
    "a redirect": (302, "", UnavailableError, "the server answered 302"),
    "JSON that is not an object": (400, "[1]", InvalidRequestError, "400 Bad Request"),
}


@pytest.mark.parametrize(
    ("status", "body", "kind", "want"), CASES.values(), ids=list(CASES)
)
def test_responses_become_errors(
    status: int, body: str, kind: type[TeskError], want: str
) -> None:
    error = error_from_response(httpx.Response(status, text=body))

    assert type(error) is kind
    assert error.message.startswith(want)


def test_every_problem_of_a_task_is_kept() -> None:
    errors = [{"path": "a", "message": "x"}, {"path": "b", "message": "y"}]
    response = httpx.Response(400, json={"message": "two", "errors": errors})

    error = error_from_response(response)

    assert isinstance(error, InvalidRequestError)
    assert [str(item) for item in error.violations] == ["a: x", "b: y"]
