"""A TES client for tests, of one machine or of a cluster."""

import contextlib
from collections.abc import Mapping
from typing import Any

import httpx

from programs.waiting import eventually

FINAL = frozenset({"COMPLETE", "EXECUTOR_ERROR", "SYSTEM_ERROR", "CANCELED"})


class TesClient:
    """Calls a server; a refusal fails the test."""

    def __init__(
        self, url: str, *, transport: httpx.BaseTransport | None = None
    ) -> None:
        self.url = url
        self.client = httpx.Client(
            base_url=f"{url}/ga4gh/tes/v1", timeout=30, transport=transport
        )

    def create(self, body: Mapping[str, Any]) -> str:
        """Post a task and return its id."""
        response = self.client.post("/tasks", json=body)
        assert response.status_code == 200, response.text
        return str(response.json()["id"])

    def get(self, task_id: str, view: str = "FULL") -> dict[str, Any]:
        """Return a task."""
        response = self.client.get(f"/tasks/{task_id}", params={"view": view})
        assert response.status_code == 200, response.text
        task: dict[str, Any] = response.json()
        return task

    def state(self, task_id: str) -> str:
        """Return the state of a task."""
        return str(self.get(task_id, "MINIMAL")["state"])

    def cancel(self, task_id: str) -> None:
        """Ask for a task to be canceled."""
        response = self.client.post(f"/tasks/{task_id}:cancel")
        assert response.status_code == 200, response.text

    def live(self, task_id: str) -> dict[str, Any]:
        """Return the live view of a task (TESK's own extension)."""
        response = self.client.get(f"{self.url}/tesk/v1/tasks/{task_id}")
        assert response.status_code == 200, response.text
        view: dict[str, Any] = response.json()
        return view

    def wait_for(
        self,
        task_id: str,
        *states: str,
        within: float = 100,
        every: float | None = None,
    ) -> str:
        """Wait until a task is in one of ``states``; return that state."""

        def poll() -> str | None:
            with contextlib.suppress(httpx.TransportError, AssertionError):
                state = self.state(task_id)
                return state if state in states else None
            return None

        return eventually(
            poll, within=within, every=every, what=f"{task_id} in {states}"
        )

    def finish(
        self, task_id: str, within: float = 100, every: float | None = None
    ) -> dict[str, Any]:
        """Wait for a final state and return the whole task."""
        self.wait_for(task_id, *FINAL, within=within, every=every)
        return self.get(task_id)

    def run(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Post a task, wait for its end and return it."""
        return self.finish(self.create(body))
