"""Serves the page of one task, and what its executors printed as files."""

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus

from flask import Response, request
from werkzeug.wrappers import Response as BaseResponse

from tesk.v1 import task_pb2 as pb
from tesk_api.domain.report import log_of
from tesk_api.http.identity import Identify
from tesk_api.http.tasks import parse_task_id
from tesk_api.http.views import TaskViews, read_task
from tesk_api.http.web.commands import commands_for
from tesk_api.http.web.documents import document_text
from tesk_api.http.web.input_rows import input_rows
from tesk_api.http.web.log_search import MAX_WANTED, find_lines
from tesk_api.http.web.rendering import render_page
from tesk_api.http.web.timeline import attempt_rows, timeline
from tesk_api.http.web.usage_bars import usage_bars
from tesk_api.ports import Clock, TaskGateway
from tesk_model.errors import NotFoundError
from tesk_model.task import ExecutorLog, TaskView

_STREAMS = ("stdout", "stderr")
_MOST_FILES = 200  # inputs or outputs in their table; a browser is slow with thousands
_MOST_OPEN = 10  # executors, of which all are open


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskPage:
    """The page, as views of Flask."""

    tasks: TaskGateway[pb.Task]
    identify: Identify
    views: TaskViews
    clock: Clock

    def show_task(self, task_id: str) -> Response:
        """Show one task; ``find`` shows of its output the lines that contain it."""
        caller = self.identify()
        message = self.tasks.get(caller, parse_task_id(task_id), TaskView.FULL)
        task = read_task(message)
        document = document_text(self.views, message)
        find = request.args.get("find", "")[:MAX_WANTED]
        return render_page(
            self.clock,
            "task.html",
            task=task,
            log=log_of(task),
            spans=timeline(task, self.clock.now()),
            attempts=attempt_rows(task),
            inputs=input_rows(task),
            most_files=_MOST_FILES,
            opened=_opened(log_of(task).logs, is_search=bool(find)),
            document=document,
            commands=commands_for(
                message.id, document, address=request.host_url, user=caller.user
            ),
            find=find,
            find_lines=find_lines,
            usage_bars=usage_bars,
            user=caller.user,
        )

    def download_stream(self, task_id: str, index: int, stream: str) -> BaseResponse:
        """Send what an executor printed, as far as it is kept, as a file.

        Raises:
            NotFoundError: There is no such executor that has started, or stream.
        """
        caller = self.identify()
        message = self.tasks.get(caller, parse_task_id(task_id), TaskView.FULL)
        logs = log_of(read_task(message)).logs
        if stream not in _STREAMS or index >= len(logs):
            raise NotFoundError("there is no such output of this task")
        text = logs[index].stdout if stream == "stdout" else logs[index].stderr
        answer = Response(text, HTTPStatus.OK, mimetype="text/plain")
        name = f"{message.id}-{index}-{stream}.txt"
        answer.headers.set("Content-Disposition", "attachment", filename=name)
        answer.headers["X-Content-Type-Options"] = "nosniff"
        answer.headers["Cache-Control"] = "no-store"
        return answer


def _opened(logs: Sequence[ExecutorLog], *, is_search: bool) -> set[int]:
    """Return which executors are open: of many those that failed, and the last."""
    if is_search or len(logs) <= _MOST_OPEN:
        return set(range(len(logs)))
    failed = {index for index, log in enumerate(logs) if log.exit_code}
    return failed | {len(logs) - 1}
