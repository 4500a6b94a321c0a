"""Requests to the REST API and checks of its responses."""

from typing import Any

from werkzeug.test import Client, TestResponse

from builders.tasks import make_task_json

PROBLEM = "application/problem+json"


def document(answer: TestResponse) -> Any:
    """Return the JSON of an answer."""
    return answer.json


def create(client: Client, **fields: Any) -> str:
    """Create a task; return its id."""
    answer = client.post("/v1/tasks", json=make_task_json(**fields))
    assert answer.status_code == 200, answer.text
    return str(document(answer)["id"])


def check_problem(answer: TestResponse, status: int) -> Any:
    """Check that the answer is a problem document; return it."""
    assert answer.status_code == status, answer.text
    assert answer.content_type == PROBLEM
    found = document(answer)
    assert found["status"] == status
    assert found["message"] == found["detail"]
    assert found["type"] == "about:blank"
    assert found["title"]
    return found
