"""Serves operations on many tasks at once, extensions of TESK."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from flask import Blueprint, Response, request
from msgspec import UNSET

from tesk.v1 import task_pb2 as pb
from tesk_api.domain.requests import NewTask
from tesk_api.http.identity import Identify
from tesk_api.http.json_bodies import parse_json
from tesk_api.http.problems import problem_of
from tesk_api.http.queries import (
    parse_idempotency_key,
    parse_query,
    parse_switch,
)
from tesk_api.http.request_ids import request_id
from tesk_api.http.responses import (
    BatchItem,
    BatchResult,
    CanceledTasks,
    json_response,
)
from tesk_api.http.task_parsing import TaskParser
from tesk_api.http.tasks import BodyReader, require_timely_create
from tesk_api.ports import TaskGateway
from tesk_model.errors import InvalidRequestError, TeskError, Violation
from tesk_model.task import TaskId

MAX_TASKS = 256
"""Tasks in one batch."""

_KEY_BYTES = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchOperations:
    """Operations on many tasks, as views of Flask."""

    tasks: TaskGateway[pb.Task]
    identify: Identify
    parser: TaskParser
    bodies: BodyReader

    def create_tasks(self) -> Response:
        """Create tasks, each independently of the others; 200 also if none is."""
        require_timely_create()
        caller = self.identify()
        key = parse_idempotency_key(request.headers)
        body = self.bodies.read()
        with self.bodies.memory_for(body):
            found = [
                self._parse(document, _item_key(key, index))
                for index, document in enumerate(_documents(body))
            ]
            valid = [each for each in found if isinstance(each, NewTask)]
            created = iter(self.tasks.create_all(caller, valid) if valid else ())
        results = [
            each if isinstance(each, TeskError) else next(created) for each in found
        ]
        return json_response(BatchResult(results=tuple(map(_item, results))))

    def cancel_tasks(self) -> Response:
        """Cancel one page of the tasks that match the parameters of a list."""
        caller = self.identify()
        query = parse_query(request.args)
        is_dry, is_all = (
            parse_switch(request.args, name) for name in ("dry_run", "all")
        )
        if not (query.state or query.name_prefix or query.tags or is_all):
            message = "is needed, and true, to cancel every task"
            raise _invalid("all", message)
        page = self.tasks.cancel_page(caller, query, dry_run=is_dry)
        return json_response(
            CanceledTasks(
                ids=tuple(page.task_ids), next_page_token=page.next_page_token or UNSET
            )
        )

    def _parse(self, document: Any, key: str) -> NewTask | TeskError:
        try:
            new = self.parser.parse_document(document)
        except InvalidRequestError as error:
            return error
        return replace(new, idempotency_key=key)


def batches_blueprint(operations: BatchOperations) -> Blueprint:
    """Return ``/tesk/v1/tasks:batch`` and ``/tesk/v1/tasks:cancel``."""
    blueprint = Blueprint("batches", __name__, url_prefix="/tesk/v1")
    blueprint.post("/tasks:batch")(operations.create_tasks)
    blueprint.post("/tasks:cancel")(operations.cancel_tasks)
    return blueprint


def _documents(body: bytes) -> Sequence[Any]:
    """Return the documents of the tasks of a batch.

    Raises:
        InvalidRequestError: It is no batch, or too large.
    """
    batch = parse_json(body)
    if not isinstance(batch, dict):
        raise _invalid("", 'must be an object with the field "tasks"')
    if unknown := next((name for name in batch if name != "tasks"), None):
        raise _invalid(unknown[:64], 'is not known; a batch has the field "tasks"')
    tasks = batch.get("tasks")
    if not isinstance(tasks, list) or not tasks:
        raise _invalid("tasks", "must be a list of tasks, and not empty")
    if len(tasks) > MAX_TASKS:
        message = f"must have at most {MAX_TASKS} tasks, not {len(tasks)}"
        raise _invalid("tasks", message)
    return tasks


def _item_key(key: str, index: int) -> str:
    """Return the key of one task of a batch; "" without one.

    A repeated batch finds each of its tasks again by its place. A digest keeps the
    key within its limit, and apart from the keys of single tasks.
    """
    if not key:
        return ""
    digest = hashlib.blake2b(f"{key} {index}".encode(), digest_size=_KEY_BYTES)
    return f"batch-{digest.hexdigest()}"


def _item(result: TaskId | TeskError) -> BatchItem:
    if isinstance(result, TeskError):
        return BatchItem(error=problem_of(result, request_id(request.environ)))
    return BatchItem(id=result)


def _invalid(path: str, message: str) -> InvalidRequestError:
    return InvalidRequestError([Violation(path, message)])
