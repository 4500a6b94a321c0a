"""The OpenAPI document is correct: schemathesis sends the requests that it allows."""

from typing import Any

import msgspec
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import CHECKS

from builders.tasks import make_task_json
from fakes.api_scheduler import MemoryScheduler
from fakes.api_server import make_client, make_dependencies
from tesk_api.http.app import AppOptions, create_app

SCHEDULER = MemoryScheduler()
APP = create_app(make_dependencies(SCHEDULER), AppOptions())
schema = schemathesis.openapi.from_wsgi("/openapi.json", APP)

# A valid body may still break a rule that JSON Schema cannot say (two inputs
# with one path), and then gets its 400.
EXCLUDED = ["positive_data_acceptance"]


@schema.parametrize()
@settings(
    max_examples=25,
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_responses_match_the_openapi_document(case: "schemathesis.Case[Any]") -> None:
    case.call_and_validate(excluded_checks=list(CHECKS.get_by_names(EXCLUDED)))  # type: ignore[arg-type]  # what it hands out, it takes


def resolve(document: dict[str, Any]) -> set[str]:
    """Return every reference within ``document``."""
    text = msgspec.json.encode(document).decode()
    return {part.partition('"')[0] for part in text.split('"$ref":"')[1:]}


def test_every_reference_is_resolved() -> None:
    document: Any = make_client(SCHEDULER).get("/openapi.json").json
    names = {
        f"#/components/schemas/{name}" for name in document["components"]["schemas"]
    }

    assert resolve(document) <= names


@pytest.mark.parametrize("base", ["/v1", "/ga4gh/tes/v1"])
def test_a_full_view_matches_its_schema(base: str) -> None:
    body = make_task_json(
        name="n",
        inputs=[{"path": "/a", "content": "x"}],
        outputs=[{"path": "/o", "url": "/x"}],
        resources={"cpu_cores": 1},
    )
    client = make_client(SCHEDULER)
    created: Any = client.post(f"{base}/tasks", json=body).json
    task_id = created["id"]
    log = SCHEDULER.tasks[task_id].logs.add()
    log.start_time.GetCurrentTime()
    log.outputs.add(url="/x", path="/o", size_bytes=5)
    log.logs.add(exit_code=1, stdout="x").end_time.GetCurrentTime()

    for operation in schema.get_all_operations():
        found: Any = operation.ok()  # type: ignore[union-attr]  # errors would fail the tests above
        if found.path == f"{base}/tasks/{{id}}" and found.method == "get":
            case = found.Case(path_parameters={"id": task_id}, query={"view": "FULL"})
            answer = case.call()
            case.validate_response(answer)
            assert answer.json()["logs"][0]["logs"][0]["exit_code"] == 1
            return
    pytest.fail("there is no GetTask")
