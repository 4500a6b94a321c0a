"""A state folder that cannot be written, for root neither."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from builders.scheduler_tasks import make_new_task
from schedulers.served import TOKEN
from tesk_model.errors import UnavailableError
from tesk_model.task import TaskId
from tesk_scheduler.adapters.store.engines import open_engines, sqlite_url
from tesk_scheduler.adapters.store.store import SqlTaskStore
from tesk_taskmaster.adapters.sandbox.bubblewrap import find_bubblewrap

TASK = TaskId("t-1")


def test_a_failed_start_names_its_cause(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    token = tmp_path / "token"
    token.write_text(TOKEN, encoding="ascii")
    home_read_only = ["--dev-bind", "/", "/", "--ro-bind", str(home), str(home)]
    scheduler = [sys.executable, "-m", "tesk_scheduler"]

    ended = subprocess.run(
        [find_bubblewrap(os.environ["PATH"]), *home_read_only, *scheduler],
        env={
            "PATH": os.environ["PATH"],
            "TESK_HOME": str(home),
            "TESK_SCHEDULER_LISTEN": f"unix:{tmp_path}/s",
            "TESK_GRPC_TOKEN_FILE": str(token),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert ended.returncode == 1
    assert "Read-only file system" in ended.stderr
    assert str(home) in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_read_only_store_can_be_read_and_creates_nothing(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path / "tesk.db")
    before = SqlTaskStore.open(url)
    before.write(lambda tx: tx.add_tasks([make_new_task(TASK)]))
    before.close()
    engines = open_engines(url)

    @event.listens_for(engines.writer, "connect")
    def _refuse(connection: Any, _entry: object) -> None:
        connection.execute("PRAGMA query_only=ON")  # as if it had become read-only

    store = SqlTaskStore(engines)
    with pytest.raises(UnavailableError, match="readonly"):
        store.write(lambda tx: tx.add_tasks([make_new_task("t-2")]))
    readable = store.summaries([TASK, TaskId("t-2")], owner=None)
    store.close()

    assert set(readable) == {TASK}
