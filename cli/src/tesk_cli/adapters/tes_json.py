"""Reads the JSON of a server into snapshots; a missing field becomes an empty one."""

from collections.abc import Mapping
from typing import Any

from tesk_cli.adapters.wait_json import wait_from_json
from tesk_cli.domain.snapshot import ExecutorSnapshot, OutputSnapshot, Snapshot
from tesk_model.states import TaskState
from tesk_model.task import TransferStatus


def snapshot_from_task(task: Mapping[str, Any]) -> Snapshot:
    """Read a tesTask in view FULL, or less of it."""
    logs = task.get("logs") or [{}]
    log = logs[-1]
    executors = [
        dict(entry, index=index) for index, entry in enumerate(log.get("logs") or [])
    ]
    return snapshot_from_live(
        {
            "id": task.get("id"),
            "state": task.get("state"),
            "metadata": log.get("metadata"),
            "executors": executors,
            "outputs": log.get("outputs"),
            "system_logs": log.get("system_logs"),
        }
    )


def snapshot_from_live(live: Mapping[str, Any]) -> Snapshot:
    """Read TESK's own live view of a task."""
    return Snapshot(
        id=str(live.get("id") or ""),
        state=_state(live.get("state")),
        reason=str(live.get("reason") or ""),
        reason_code=str(live.get("reason_code") or ""),
        metadata={str(k): str(v) for k, v in (live.get("metadata") or {}).items()},
        executors=tuple(_executor(entry) for entry in live.get("executors") or []),
        outputs=tuple(
            OutputSnapshot(
                url=str(entry.get("url") or ""),
                path=str(entry.get("path") or ""),
                size=int(entry.get("size_bytes") or 0),
            )
            for entry in live.get("outputs") or []
        ),
        system_logs=tuple(str(line) for line in live.get("system_logs") or []),
        transfers=tuple(_transfer(entry) for entry in live.get("transfers") or []),
        wait=wait_from_json(live["wait"]) if live.get("wait") else None,
    )


def _state(text: object) -> TaskState:
    try:
        return TaskState(str(text))
    except ValueError:
        return TaskState.UNKNOWN


def _transfer(entry: Mapping[str, Any]) -> TransferStatus:
    return TransferStatus(
        direction=str(entry.get("direction") or ""),
        files_done=int(entry.get("files_done") or 0),
        files_total=int(entry.get("files_total") or 0),
        bytes_done=int(entry.get("bytes_done") or 0),
        bytes_total=int(entry.get("bytes_total") or 0),
        bytes_per_second=int(entry.get("bytes_per_second") or 0),
        path=str(entry.get("path") or ""),
        url=str(entry.get("url") or ""),
    )


def _executor(entry: Mapping[str, Any]) -> ExecutorSnapshot:
    return ExecutorSnapshot(
        index=int(entry.get("index") or 0),
        exit_code=entry.get("exit_code"),
        stdout=str(entry.get("stdout") or ""),
        stderr=str(entry.get("stderr") or ""),
    )
