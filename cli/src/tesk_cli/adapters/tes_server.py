"""Calls a TES server over HTTP; no other module sends requests to one."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import httpx

from tesk_cli.adapters.event_stream import followed
from tesk_cli.adapters.problems import error_from_response
from tesk_cli.adapters.tes_json import snapshot_from_live, snapshot_from_task
from tesk_cli.domain.addresses import candidate_bases, server_root
from tesk_cli.domain.snapshot import Snapshot
from tesk_cli.ports import TaskQuery
from tesk_model.errors import NotFoundError, UnavailableError
from tesk_model.states import TaskState
from tesk_model.task import TaskView

# In the order in which tasks pass through them, so that none slips by.
_CANCELABLE = (
    TaskState.QUEUED,
    TaskState.INITIALIZING,
    TaskState.RUNNING,
    TaskState.PAUSED,
)

_REASON = ("reason", "reason_code", "wait")
_EVENTS = "text/event-stream"
# A server is never silent for longer than 15 s, and the task may wait for days.
_SILENCE = httpx.Timeout(45, connect=5)
_LARGEST_PAGE = 2047  # TES 1.1: page_size must be less than 2048
# A creation may wait for a busy disk.
_TIMEOUT = httpx.Timeout(30, connect=5)
# Storages may be slow to answer.
_CHECK_TIMEOUT = httpx.Timeout(60, connect=5)
_UNKNOWN_PATH = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED})


class HttpTaskServer:
    """``TaskServer`` on a url; finds the base path at the first 404."""

    def __init__(
        self,
        address: str,
        *,
        auth: httpx.Auth | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Prepare the calls to a server.

        Args:
            address: Url with or without base path.
            auth: Credentials; None to send none.
            transport: Replaces the network, for tests.

        Raises:
            InvalidRequestError: ``address`` is not an http(s) url.
        """
        self._bases = candidate_bases(address)
        self._client = httpx.Client(auth=auth, timeout=_TIMEOUT, transport=transport)
        self._live_view = True
        self._live_events = True

    def create_task(self, body: bytes) -> str:
        """See ``TaskServer``."""
        headers = {"Content-Type": "application/json"}
        answer = self._call("POST", "/tasks", content=body, headers=headers)
        return str(answer["id"])

    def check_task(self, body: bytes) -> dict[str, Any]:
        """See ``TaskServer``."""
        root = server_root(self._bases[0])
        response = self._send(
            "POST",
            f"{root}/tesk/v1/tasks:check",
            content=body,
            headers={"Content-Type": "application/json"},
            timeout=_CHECK_TIMEOUT,
        )
        if response.status_code in _UNKNOWN_PATH:
            msg = f"{root} checks no tasks: it is not TESK, or of an earlier release"
            raise NotFoundError(msg)
        if not response.is_success:
            raise error_from_response(response)
        answer: dict[str, Any] = response.json()
        return answer

    def get_task(self, task_id: str, view: TaskView) -> dict[str, Any]:
        """See ``TaskServer``."""
        return self._call("GET", _path(task_id), params={"view": view.value})

    def list_tasks(self, query: TaskQuery) -> list[dict[str, Any]]:
        """See ``TaskServer``."""
        return _pages(query, lambda page: self._call("GET", "/tasks", params=page))

    def list_reasons(self, query: TaskQuery) -> Mapping[str, Mapping[str, Any]]:
        """See ``TaskServer``; a server without the list is another one."""
        found = _pages(query, lambda page: self._extension("/tasks", page))
        return {str(task.get("id")): _reason_of(task) for task in found}

    def get_extensions(self, task_id: str) -> Mapping[str, Any]:
        """See ``TaskServer``; a server without the view is another one."""
        live = self._extension(_path(task_id), {})
        return _reason_of(live) | _present(live, ("input_sizes",))

    def _extension(self, path: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Read what TESK alone has; empty from another server."""
        url = server_root(self._bases[0]) + "/tesk/v1" + path
        response = self._send("GET", url, params=parameters)
        if response.status_code == HTTPStatus.NOT_FOUND:
            return {}
        if not response.is_success:
            raise error_from_response(response)
        answer: dict[str, Any] = response.json() if _is_json(response) else {}
        return answer

    def cancel_task(self, task_id: str) -> None:
        """See ``TaskServer``."""
        self._call("POST", _path(task_id) + ":cancel")

    def cancel_matching(self, query: TaskQuery, *, dry_run: bool) -> int:
        """See ``TaskServer``; on servers other than TESK, one task after the other."""
        url = server_root(self._bases[0]) + "/tesk/v1/tasks:cancel"
        parameters = _conditions(query) | {"all": "true"}
        if dry_run:
            parameters["dry_run"] = "true"
        count, token = 0, ""
        while True:
            page = {"page_token": token} if token else {}
            response = self._send("POST", url, params=parameters | page)
            if response.status_code in _UNKNOWN_PATH:
                return self._cancel_each(query, dry_run=dry_run)
            if not response.is_success:
                raise error_from_response(response)
            answer = response.json()
            count += len(answer["ids"])
            token = answer.get("next_page_token", "")
            if not token:
                return count

    def _cancel_each(self, query: TaskQuery, *, dry_run: bool) -> int:
        states = (query.state,) if query.state else _CANCELABLE
        found = [
            str(task["id"])
            for state in states
            for task in self.list_tasks(replace(query, state=state, limit=sys.maxsize))
        ]
        for task_id in () if dry_run else found:
            self.cancel_task(task_id)
        return len(found)

    def report_task(self, task_id: str, kind: str) -> str:
        """See ``TaskServer``."""
        return self._extension_of(task_id, "report", {"format": kind}).text

    def why_not_cached(self, task_id: str) -> Mapping[str, Any]:
        """See ``TaskServer``."""
        response = self._extension_of(task_id, "why-not-cached", {})
        answer: Mapping[str, Any] = response.json()
        return answer

    def _extension_of(
        self, task_id: str, name: str, parameters: Mapping[str, str]
    ) -> httpx.Response:
        """Read what TESK alone says of a task."""
        url = f"{server_root(self._bases[0])}/tesk/v1{_path(task_id)}/{name}"
        response = self._send("GET", url, params=parameters)
        if not response.is_success:
            raise error_from_response(response)
        return response

    def watch_task(self, task_id: str) -> Snapshot:
        """See ``TaskServer``; servers other than TESK have the FULL view only."""
        if self._live_view:
            url = server_root(self._bases[0]) + "/tesk/v1" + _path(task_id)
            response = self._send("GET", url)
            if response.is_success and _is_json(response):
                return snapshot_from_live(response.json())
            # Also a gateway whose server is away for a moment: servers without
            # this view answer 404, or with a page.
            if response.is_server_error or response.status_code in {
                HTTPStatus.UNAUTHORIZED,
                HTTPStatus.TOO_MANY_REQUESTS,
            }:
                raise error_from_response(response)
        task = snapshot_from_task(self.get_task(task_id, TaskView.FULL))
        self._live_view = False
        return task

    def follow_task(
        self, task_id: str, timeout: timedelta | None = None
    ) -> Iterator[Snapshot] | None:
        """See ``TaskServer``."""
        if not self._live_events:
            return None
        url = server_root(self._bases[0]) + "/tesk/v1" + _path(task_id) + "/events"
        request = self._client.build_request(
            "GET", url, headers={"Accept": _EVENTS}, timeout=_SILENCE
        )
        try:
            response = self._client.send(request, stream=True)
        except (httpx.TransportError, httpx.InvalidURL):
            return None  # who asks is told so
        if not response.headers.get("Content-Type", "").startswith(_EVENTS):
            # Another server, or no such task: who asks is told which.
            self._live_events = response.status_code != HTTPStatus.NOT_FOUND
            response.close()
            return None
        return followed(response, timeout)

    def _call(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        response = self._send(method, self._bases[0] + path, **options)
        if response.status_code == HTTPStatus.NOT_FOUND and len(self._bases) > 1:
            self._find_base()
            response = self._send(method, self._bases[0] + path, **options)
        if not response.is_success:
            raise error_from_response(response)
        if not _is_json(response):
            msg = f"{self._bases[0]} is not a TES server: its answer is not JSON"
            raise UnavailableError(msg)
        answer: dict[str, Any] = response.json()
        return answer

    def _find_base(self) -> None:
        for base in self._bases:
            if self._send("GET", base + "/service-info").is_success:
                self._bases = (base,)
                return
        msg = f"no TES API at {' or '.join(self._bases)}"
        raise NotFoundError(msg)

    def _send(self, method: str, url: str, **options: Any) -> httpx.Response:
        try:
            return self._client.request(method, url, **options)
        except (httpx.TransportError, httpx.InvalidURL) as error:
            root = server_root(self._bases[0])
            msg = f"cannot reach the server at {root}: {error or type(error).__name__}"
            raise UnavailableError(msg) from error


def _reason_of(live: Mapping[str, Any]) -> dict[str, Any]:
    """Return why a task waits, or ended: what is there of it."""
    return _present(live, _REASON)


def _present(live: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {name: live[name] for name in names if live.get(name)}


def _pages(
    query: TaskQuery, read: Callable[[Mapping[str, Any]], Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Read pages until there are enough tasks, or no more."""
    parameters = _conditions(query) | {"view": query.view.value}
    tasks: list[dict[str, Any]] = []
    token = ""
    while len(tasks) < query.limit:
        size = min(_LARGEST_PAGE, query.limit - len(tasks))
        page = {"page_size": size} | ({"page_token": token} if token else {})
        answer = read(parameters | page)
        tasks += answer.get("tasks") or []
        token = answer.get("next_page_token") or ""
        if not token:
            break
    return tasks[: query.limit]


def _conditions(query: TaskQuery) -> dict[str, Any]:
    """Return the parameters of the conditions of a query."""
    conditions = {
        "state": query.state,
        "name_prefix": query.name_prefix,
        "tag_key": list(query.tags),
        "tag_value": list(query.tags.values()),
    }
    return {name: value for name, value in conditions.items() if value}


def _path(task_id: str) -> str:
    # Whatever is typed as a task id becomes one path segment.
    return "/tasks/" + quote(task_id, safe="")


def _is_json(response: httpx.Response) -> bool:
    return "json" in response.headers.get("Content-Type", "")
