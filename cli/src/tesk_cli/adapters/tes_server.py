"""Calls a TES server over HTTP; no other module sends requests to one."""

from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import httpx

from tesk_cli.adapters.problems import error_from_response
from tesk_cli.adapters.tes_json import snapshot_from_live, snapshot_from_task
from tesk_cli.domain.addresses import candidate_bases, server_root
from tesk_cli.domain.snapshot import Snapshot
from tesk_cli.ports import TaskQuery
from tesk_model.errors import NotFoundError, UnavailableError
from tesk_model.task import TaskView

_LARGEST_PAGE = 2047  # TES 1.1: page_size must be less than 2048
# A creation may wait for a busy disk.
_TIMEOUT = httpx.Timeout(30, connect=5)


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

    def create_task(self, body: bytes) -> str:
        """See ``TaskServer``."""
        headers = {"Content-Type": "application/json"}
        answer = self._call("POST", "/tasks", content=body, headers=headers)
        return str(answer["id"])

    def get_task(self, task_id: str, view: TaskView) -> dict[str, Any]:
        """See ``TaskServer``."""
        return self._call("GET", _path(task_id), params={"view": view.value})

    def list_tasks(self, query: TaskQuery) -> list[dict[str, Any]]:
        """See ``TaskServer``."""
        parameters: dict[str, Any] = {
            "view": query.view.value,
            "state": query.state or None,
            "name_prefix": query.name_prefix or None,
            "tag_key": list(query.tags),
            "tag_value": list(query.tags.values()),
        }
        parameters = {name: value for name, value in parameters.items() if value}
        tasks: list[dict[str, Any]] = []
        token = ""
        while len(tasks) < query.limit:
            size = min(_LARGEST_PAGE, query.limit - len(tasks))
            page = {"page_size": size} | ({"page_token": token} if token else {})
            answer = self._call("GET", "/tasks", params=parameters | page)
            tasks += answer.get("tasks") or []
            token = answer.get("next_page_token") or ""
            if not token:
                break
        return tasks[: query.limit]

    def cancel_task(self, task_id: str) -> None:
        """See ``TaskServer``."""
        self._call("POST", _path(task_id) + ":cancel")

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


def _path(task_id: str) -> str:
    # Whatever is typed as a task id becomes one path segment.
    return "/tasks/" + quote(task_id, safe="")


def _is_json(response: httpx.Response) -> bool:
    return "json" in response.headers.get("Content-Type", "")
