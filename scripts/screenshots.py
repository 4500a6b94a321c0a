"""Take the pictures of docs/web.md: ``python scripts/screenshots.py docs/images``.

Starts a TESK of its own with a few tasks, and needs Chromium. With a second word,
``all``, each page is taken in both widths and both schemes, to look at before a change
of the page is done.
"""

import random
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import pairwise, product
from pathlib import Path
from typing import Literal

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from playwright.sync_api import Browser, sync_playwright

from builders.scheduler_tasks import make_new_task
from programs.stack import Stack
from tesk.v1 import task_pb2 as pb
from tesk_model.reasons import ReasonCode
from tesk_model.states import TaskState
from tesk_model.task import TaskId
from tesk_scheduler.adapters.store.engines import sqlite_url
from tesk_scheduler.adapters.store.store import SqlTaskStore
from tesk_scheduler.domain.records import Document, NewTask
from tesk_scheduler.domain.transitions import admitted, with_state
from tesk_scheduler.ports.store import Transaction

Scheme = Literal["light", "dark"]

SIZES = {"wide": (1280, 800), "narrow": (390, 844)}
SCHEMES: tuple[Scheme, ...] = ("light", "dark")
# Which pictures documents show.
SHOWN: tuple[tuple[str, Scheme], ...] = (("wide", "light"), ("narrow", "dark"))
COUNT = "for i in 1 2 3 4 5; do echo aligned chunk $i of 5; sleep 0.4; done"
TASKS = (
    ("index the genome", {"run": "17"}, "echo 84 contigs indexed"),
    ("align sample 261", {"run": "17", "sample": "261"}, COUNT),
    ("align sample 262", {"run": "17", "sample": "262"}, COUNT),
    ("align sample 263", {"run": "17", "sample": "263"}, COUNT),
    ("call variants", {"run": "17"}, "echo no such file: sample-263.bam >&2; exit 1"),
)
_PAST = 260  # tasks
_FAILING = 0.08  # of them
LAST = ("annotate", {"run": "17"}, "sleep 1000")


def main() -> None:
    """Take all pictures."""
    folder = Path(sys.argv[1])
    all_of_them = "all" in sys.argv[2:]
    wanted = tuple(product(SIZES, SCHEMES)) if all_of_them else SHOWN
    folder.mkdir(parents=True, exist_ok=True)
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("screenshots: there is no Chromium on the PATH")
    with (
        tempfile.TemporaryDirectory() as home,
        _stack(Path(home)) as stack,
        sync_playwright() as playwright,
    ):
        pages = _fill(stack)
        if not all_of_them:
            del pages["failed"]
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox"]
        )
        for name, path in pages.items():
            url = f"http://127.0.0.1:{stack.port}{path}"
            for size, scheme in wanted:
                suffix = f"{size}-{scheme}" if all_of_them else scheme
                file = folder / f"{name}-{suffix}.png"
                _take(browser, url, file, scheme, size, whole=all_of_them)
        browser.close()


@contextmanager
def _stack(folder: Path) -> Iterator[Stack]:
    """Run a stack whose database knows of tasks of the last hours."""
    stack = Stack(folder)
    try:
        store = SqlTaskStore.open(sqlite_url(stack.home / "tesk.db"))
        _add_past(store, random.Random(7))  # noqa: S311 - no secrets
        store.close()
        stack.start()
        yield stack
    finally:
        stack.close()


def _add_past(store: SqlTaskStore, chance: random.Random) -> None:
    """Add tasks that ended, more of them in the middle of the time."""
    now = datetime.now(UTC)
    ages = sorted(min(max(chance.gauss(0.45, 0.2), 0.02), 1) for _ in range(_PAST))
    for number, age in enumerate(reversed(ages)):
        created = now - timedelta(hours=6) * age
        name = f"align sample {number + 1}"
        task_id = f"past-{number:03}"
        document = Document(pb.Task(name=name).SerializeToString())
        tasks = [
            make_new_task(
                task_id, owner="", name=name, document=document, created_at=created
            )
        ]
        store.write(partial(_add, tasks=tasks))
        wait = timedelta(minutes=chance.expovariate(1 / 6))
        _end(store, TaskId(task_id), created + wait, failed=chance.random() < _FAILING)


def _add(tx: Transaction, tasks: Sequence[NewTask]) -> None:
    tx.add_tasks(tasks)


def _end(
    store: SqlTaskStore, task_id: TaskId, started: datetime, *, failed: bool
) -> None:
    ended = min(started + timedelta(minutes=4), datetime.now(UTC))
    state = TaskState.EXECUTOR_ERROR if failed else TaskState.COMPLETE
    cause = ReasonCode.OUT_OF_MEMORY if failed else ReasonCode.NONE

    def work(tx: Transaction) -> None:
        record = tx.records([task_id])[task_id]
        runs = with_state(admitted(record, "", started), TaskState.RUNNING, started)
        over = with_state(runs, state, ended, cause=cause)
        over = replace(over, released=True, taskmaster=None)
        for before, after in pairwise((record, admitted(record, "", started), runs)):
            tx.save(before, after)
        tx.save(runs, over)

    store.write(work)


def _fill(stack: Stack) -> dict[str, str]:
    """Run the tasks, and leave two; return the pages to take."""
    ids = [_create(stack, *task) for task in TASKS]
    for task_id in ids:
        stack.finish(task_id)
    _create(stack, *LAST)
    _create(stack, "report", {"run": "17"}, "sleep 1000", cores=2)
    return {
        "tasks": "/web/tasks",
        "task": f"/web/tasks/{ids[1]}",
        "failed": f"/web/tasks/{ids[-1]}",
        "load": "/web/load",
        "submit": "/web/submit?example=executors-share-volume",
    }


def _create(
    stack: Stack, name: str, tags: dict[str, str], script: str, cores: float = 1
) -> str:
    return stack.create(
        {
            "name": name,
            "tags": tags,
            "resources": {"cpu_cores": cores, "ram_gb": 0.1},
            "inputs": [{"path": "/in/reads.txt", "content": "ACGT\n"}],
            "outputs": [
                {"path": "/out/log.txt", "url": f"file://{stack.files}/{name}.txt"}
            ],
            "executors": [
                {
                    "image": "bio/tool:1.4",
                    "command": ["sh", "-c", f"echo done > /out/log.txt; {script}"],
                }
            ],
        }
    )


def _take(
    browser: Browser, url: str, file: Path, scheme: Scheme, size: str, *, whole: bool
) -> None:
    width, height = SIZES[size]
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=scheme
    )
    page = context.new_page()
    page.goto(url)
    page.screenshot(path=file, full_page=whole)
    context.close()


if __name__ == "__main__":
    main()
