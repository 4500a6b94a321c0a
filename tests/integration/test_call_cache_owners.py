"""Results are taken by their owner alone, and by nobody while the cache is off."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bcrypt
import pytest

from programs.stack import Stack, running_stack
from scenarios.scenario import shell, system_logs
from servers.s3 import S3Service, s3_server

pytestmark = pytest.mark.engine
USERS = {"ada": "one", "bob": "two"}


@pytest.fixture(scope="module")
def service() -> Iterator[S3Service]:
    with s3_server("work") as service:
        yield service


@pytest.fixture
def stack(service: S3Service, tmp_path: Path) -> Iterator[Stack]:
    """One with two users, whose tasks take over results of their owner."""
    users = tmp_path / "users"
    users.write_text(
        "".join(
            f"{name}:{bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()}\n"
            for name, password in USERS.items()
        )
    )
    environ = {
        **service.environ,
        "TESK_SCHEDULER_CALL_CACHE": "owner",
        "TESK_API_AUTH": "basic",
        "TESK_API_USERS_FILE": str(users),
    }
    with running_stack(tmp_path, engine="container", environ=environ) as running:
        yield running


TASK = {
    "name": "time",
    "inputs": [{"path": "/in/a", "url": "s3://work/a"}],
    "executors": [shell("cat /in/a; date +%s%N | tee /out")],
    "outputs": [{"path": "/out", "url": "s3://work/out"}],
}


def finish(stack: Stack, user: str, **fields: Any) -> dict[str, Any]:
    stack.client.auth = (user, USERS[user])
    done: dict[str, Any] = stack.finish(stack.create({**TASK, **fields}))
    assert done["state"] == "COMPLETE", done
    return done


def printed(task: dict[str, Any]) -> str:
    return str(task["logs"][0]["logs"][0]["stdout"])


def explained(stack: Stack, task: dict[str, Any]) -> dict[str, Any]:
    url = f"{stack.url}/tesk/v1/tasks/{task['id']}/why-not-cached"
    found: dict[str, Any] = stack.client.get(url).raise_for_status().json()
    return found


def test_results_are_those_of_the_owner_while_the_cache_is_on(
    stack: Stack, service: S3Service
) -> None:
    service.client().put_object(Bucket="work", Key="a", Body=b"a")
    first = finish(stack, "ada")
    assert explained(stack, first)["reusable"]

    again = finish(stack, "ada")
    assert printed(again) == printed(first)
    assert explained(stack, again) == {
        "result": "HIT",
        "explanation": f"the results are those of task {first['id']}; nothing was run",
        "candidate": first["id"],
        "reusable": False,
    }

    changed = finish(stack, "ada", volumes=["/scratch"])
    assert printed(changed) != printed(first)
    why = explained(stack, changed)
    assert why["result"] == "NO_CANDIDATE"
    assert why["differences"] == [{"field": "volumes[/scratch]", "value": "volume"}]

    other = finish(stack, "bob")
    assert printed(other) != printed(first)
    assert explained(stack, other)["result"] == "NO_CANDIDATE"
    assert first["id"] not in str(explained(stack, other))

    stack.terminate("scheduler")
    stack.environ["TESK_SCHEDULER_CALL_CACHE_GENERATION"] = "2"
    stack.start("scheduler")
    newer = finish(stack, "bob")
    assert printed(newer) != printed(other)
    assert printed(finish(stack, "bob")) == printed(newer)

    stack.terminate("scheduler")
    stack.environ["TESK_SCHEDULER_CALL_CACHE"] = "none"
    stack.start("scheduler")
    off = finish(stack, "bob")
    assert printed(off) != printed(newer)
    assert "call cache" not in system_logs(off)
    assert explained(stack, off)["result"] == "OFF"
