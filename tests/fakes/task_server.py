"""A fake TES server in memory, and the same behind HTTP."""

import itertools
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import unquote

import httpx

from tesk_cli.adapters.tes_json import snapshot_from_task
from tesk_cli.domain.snapshot import Snapshot
from tesk_cli.ports import TaskQuery
from tesk_model.errors import InvalidRequestError, NotFoundError, Violation
from tesk_model.task import TaskView

BASE = "/ga4gh/tes/v1"


class FakeTaskServer:
    """Keeps tasks, which change as ``script`` says each time they are read.

    Attributes:
        tasks: By id, in order of creation, as the FULL view shows them.
        script: The changes of each further read of any task, in order; the
            last entry stays.
        reasons: By id, why tasks wait, as TESK's live view shows it.
        check: What TESK tells of a task that it has not created; empty: it is not TESK.
    """

    def __init__(self, *script: dict[str, Any]) -> None:
        self.tasks: dict[str, dict[str, Any]] = {}
        self.script = list(script)
        self.reasons: dict[str, dict[str, Any]] = {}
        self.cache_reports: dict[str, dict[str, Any]] = {}
        self.check: dict[str, Any] = {}
        self._numbers = itertools.count(1)

    def create_task(self, body: bytes) -> str:
        document = json.loads(body)
        if not document.get("executors"):
            raise InvalidRequestError([Violation("executors", "is required")])
        task_id = f"t{next(self._numbers)}"
        self.tasks[task_id] = document | {"id": task_id, "state": "QUEUED"}
        return task_id

    def check_task(self, body: bytes) -> dict[str, Any]:
        json.loads(body)
        if not self.check:
            raise NotFoundError("this server checks no tasks")
        return self.check

    def get_task(self, task_id: str, view: TaskView) -> dict[str, Any]:
        if task_id not in self.tasks:
            raise NotFoundError("there is no such task")
        return _in_view(self.tasks[task_id], view)

    def list_tasks(self, query: TaskQuery) -> list[dict[str, Any]]:
        found = [
            _in_view(task, query.view)
            for task in reversed(self.tasks.values())
            if query.state in ("", task["state"])
            and task.get("name", "").startswith(query.name_prefix)
            and all(
                key in task.get("tags", {}) and value in ("", task["tags"][key])
                for key, value in query.tags.items()
            )
        ]
        return found[: query.limit]

    def cancel_task(self, task_id: str) -> None:
        task = self.get_task(task_id, TaskView.FULL)
        if task["state"] not in {"COMPLETE", "EXECUTOR_ERROR", "SYSTEM_ERROR"}:
            self.tasks[task_id]["state"] = "CANCELED"
            self.script = []

    def cancel_matching(self, query: TaskQuery, *, dry_run: bool) -> int:
        found = [
            task["id"]
            for task in self.list_tasks(replace(query, limit=len(self.tasks)))
            if task["state"] in {"QUEUED", "INITIALIZING", "RUNNING", "PAUSED"}
        ]
        for task_id in () if dry_run else found:
            self.cancel_task(task_id)
        return len(found)

    def list_reasons(self, query: TaskQuery) -> dict[str, dict[str, Any]]:
        return {
            task["id"]: self.reasons.get(task["id"], {})
            for task in self.list_tasks(query)
            if self.reasons
        }

    def get_extensions(self, task_id: str) -> dict[str, Any]:
        return self.reasons.get(task_id, {})

    def follow_task(
        self, task_id: str, timeout: timedelta | None = None
    ) -> Iterator[Snapshot] | None:
        """Tell nobody, as servers other than TESK."""

    def report_task(self, task_id: str, kind: str) -> str:
        return f"{kind} of {self.get_task(task_id, TaskView.MINIMAL)['id']}"

    def why_not_cached(self, task_id: str) -> dict[str, Any]:
        self.get_task(task_id, TaskView.MINIMAL)
        return self.cache_reports[task_id]

    def watch_task(self, task_id: str) -> Snapshot:
        self.get_task(task_id, TaskView.MINIMAL)
        if self.script:
            self.tasks[task_id] |= self.script.pop(0)
        return snapshot_from_task(self.tasks[task_id])


def _in_view(task: dict[str, Any], view: TaskView) -> dict[str, Any]:
    if view is TaskView.MINIMAL:
        return {"id": task["id"], "state": task["state"]}
    return dict(task)


def http_transport(server: FakeTaskServer, *, base: str = BASE) -> httpx.MockTransport:
    """Put ``server`` behind the paths of TES below ``base``."""

    def answer(request: httpx.Request) -> httpx.Response:
        path = unquote(request.url.raw_path.decode().partition("?")[0])
        if server.check and path == "/tesk/v1/tasks:check":
            return httpx.Response(200, json=server.check_task(request.content))
        task_id = path.removeprefix("/tesk/v1/tasks/").removesuffix("/why-not-cached")
        if task_id in server.cache_reports:
            return httpx.Response(200, json=server.why_not_cached(task_id))
        if not path.startswith(base + "/"):
            return httpx.Response(404, text="<html>nothing here</html>")
        try:
            return httpx.Response(
                200, json=_dispatch(server, request, path.removeprefix(base))
            )
        except InvalidRequestError as error:
            problems = [
                {"path": item.path, "message": item.message}
                for item in error.violations
            ]
            return httpx.Response(
                400, json={"message": error.message, "errors": problems}
            )
        except NotFoundError as error:
            return httpx.Response(404, json={"message": error.message})

    return httpx.MockTransport(answer)


def _dispatch(server: FakeTaskServer, request: httpx.Request, path: str) -> Any:
    parameters = request.url.params
    view = TaskView(parameters.get("view") or "MINIMAL")
    task_id = path.removeprefix("/tasks/")
    match request.method, path:
        case "GET", "/service-info":
            return {"id": "fake"}
        case "POST", "/tasks":
            return {"id": server.create_task(request.content)}
        case "POST", _:
            server.cancel_task(task_id.removesuffix(":cancel"))
            return {}
        case "GET", "/tasks":
            return _page(server, parameters, view)
        case _:
            if task_id in server.tasks and server.script and view is TaskView.FULL:
                server.watch_task(task_id)
            return server.get_task(task_id, view)


def _page(
    server: FakeTaskServer, parameters: httpx.QueryParams, view: TaskView
) -> dict[str, Any]:
    keys, values = parameters.get_list("tag_key"), parameters.get_list("tag_value")
    start = int(parameters.get("page_token") or 0)
    # Pages are smaller than asked for, as TES allows.
    end = start + min(2, int(parameters["page_size"]))
    tasks = server.list_tasks(
        TaskQuery(
            state=parameters.get("state") or "",
            name_prefix=parameters.get("name_prefix") or "",
            tags=dict(zip(keys, values, strict=True)),
            view=view,
            limit=10_000,
        )
    )
    more = {"next_page_token": str(end)} if end < len(tasks) else {}
    return {"tasks": tasks[start:end]} | more
