"""What the api tells of the call cache."""

from werkzeug.test import Client

from builders.tasks import make_task_json
from clients.rest_answers import check_problem, document
from fakes.api_scheduler import MemoryScheduler
from tesk.v1 import task_service_pb2 as pb


def create(client: Client) -> str:
    return str(document(client.post("/v1/tasks", json=make_task_json()))["id"])


def test_what_does_not_apply_is_absent(client: Client) -> None:
    task_id = create(client)

    found = document(client.get(f"/tesk/v1/tasks/{task_id}/why-not-cached"))

    assert found == {
        "result": "OFF",
        "explanation": "the call cache was off when the task was created",
        "reusable": False,
    }


def test_differences_are_told_as_data(
    client: Client, scheduler: MemoryScheduler
) -> None:
    task_id = create(client)
    scheduler.explanations[task_id] = pb.ExplainCallCacheResponse(
        result=pb.CALL_CACHE_RESULT_NO_CANDIDATE,
        explanation="why",
        candidate="t0",
        differences=[pb.CallDifference(field="volumes[/v]", value="volume")],
        more_differences=2,
        not_reusable="because",
    )

    found = document(client.get(f"/tesk/v1/tasks/{task_id}/why-not-cached"))

    assert found == {
        "result": "NO_CANDIDATE",
        "explanation": "why",
        "candidate": "t0",
        "differences": [{"field": "volumes[/v]", "value": "volume"}],
        "more_differences": 2,
        "reusable": False,
        "not_reusable": "because",
    }


def test_an_unknown_task_is_not_found(client: Client) -> None:
    check_problem(client.get("/tesk/v1/tasks/nope/why-not-cached"), 404)
