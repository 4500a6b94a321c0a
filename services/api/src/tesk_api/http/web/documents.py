"""Writes the document of a task as it was submitted."""

import json

import msgspec

from tesk.v1 import task_pb2 as pb
from tesk_api.http.views import TaskViews
from tesk_model.task import TaskView

_SERVER_FIELDS = ("id", "state", "logs", "creation_time")


def document_text(views: TaskViews, message: pb.Task) -> str:
    """Return a task, indented, without what the server added."""
    document = msgspec.to_builtins(views.renderer(TaskView.FULL)(message))
    sent = {
        name: value for name, value in document.items() if name not in _SERVER_FIELDS
    }
    return json.dumps(sent, indent=2, ensure_ascii=False)
