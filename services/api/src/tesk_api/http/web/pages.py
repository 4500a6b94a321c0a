"""Serves the page: lists and tasks as HTML, from the calls that REST makes, too.

Every page can be read without JavaScript; htmx renews parts of it. What the browser
may load and run is of this server alone, and no script is in a page.
"""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

from flask import Blueprint, Response, redirect, request
from werkzeug.wrappers import Response as BaseResponse

from tesk.v1 import task_pb2 as pb
from tesk_api.domain.requests import Page
from tesk_api.http.browser_checks import PAGE_POLICY
from tesk_api.http.identity import Identify
from tesk_api.http.problems import STATUSES
from tesk_api.http.task_checks import check_parsed
from tesk_api.http.task_parsing import TaskParser
from tesk_api.http.tasks import parse_task_id
from tesk_api.http.views import TaskViews, read_task
from tesk_api.http.web.assets import static_file
from tesk_api.http.web.documents import document_text
from tesk_api.http.web.examples import EXAMPLES, example_text
from tesk_api.http.web.filters import events_of, filters_of, query_of, tags_text
from tesk_api.http.web.forms import read_form
from tesk_api.http.web.load_page import LoadPage
from tesk_api.http.web.places import Problem, placed
from tesk_api.http.web.rendering import render_page
from tesk_api.http.web.task_page import TaskPage
from tesk_api.ports import Clock, TaskGateway
from tesk_api.usecases.task_checks import TaskChecks
from tesk_model.errors import (
    ErrorKind,
    InvalidRequestError,
    TeskError,
    UnauthenticatedError,
    Violation,
)
from tesk_model.states import TaskState
from tesk_model.task import TaskView

PREFIX = "/web"

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_MAX_SELECTED = 200  # tasks that one form cancels
_MOST_TAGS = 6  # of a task in a list


@dataclass(frozen=True, slots=True, kw_only=True)
class WebPages:
    """The pages, as views of Flask."""

    tasks: TaskGateway[pb.Task]
    identify: Identify
    parser: TaskParser
    checks: TaskChecks
    views: TaskViews
    clock: Clock
    body_limit: int
    storage: tuple[str, ...]

    def list_tasks(self) -> Response:
        """The tasks that match the filters of the address."""
        caller = self.identify()
        problem = ""
        query = query_of({})
        page: Page[pb.Task] = Page((), "")
        try:
            query = query_of(request.args)
            page = self.tasks.list_page(caller, query)
        except InvalidRequestError as error:
            problem = error.message
        return self._page(
            "tasks.html",
            tasks=[read_task(task) for task in page.tasks],
            next_token=page.next_page_token,
            query=query,
            tags=tags_text(query),
            filters=filters_of(request.args),
            events=events_of(query),
            states=list(TaskState),
            most_tags=_MOST_TAGS,
            problem=problem,
            user=caller.user,
        )

    def show_form(self) -> Response:
        """The form of a new task; ``like`` or ``example`` names one to begin with."""
        caller = self.identify()
        name = request.args.get("example", "")
        example = name if name in EXAMPLES else next(iter(EXAMPLES))
        text = example_text(example, self.storage)
        if like := request.args.get("like", ""):
            message = self.tasks.get(caller, parse_task_id(like), TaskView.FULL)
            text = document_text(self.views, message)
        return self._page("submit.html", text=text, problems=(), user=caller.user)

    def check_document(self) -> Response:
        """What is wrong with a document, for the form while somebody types."""
        self.identify()
        fields = read_form(self.body_limit)
        return self._page(
            "problems.html", problems=self._problems(fields.get("document", ""))
        )

    def check_task(self) -> Response:
        """What would come of the task of the form; nothing is created."""
        caller = self.identify()
        text = read_form(self.body_limit).get("document", "")
        return self._page(
            "submit.html",
            text=text,
            problems=(),
            check=check_parsed(
                self.checks, caller, lambda: self.parser.parse(text.encode())
            ),
            user=caller.user,
        )

    def submit(self) -> BaseResponse:
        """Create a task of the form."""
        caller = self.identify()
        text = read_form(self.body_limit).get("document", "")
        try:
            created = self.tasks.create(caller, self.parser.parse(text.encode()))
        except InvalidRequestError as error:
            answer = self._page(
                "submit.html",
                text=text,
                problems=placed(text, error.violations),
                user=caller.user,
            )
            answer.status_code = HTTPStatus.BAD_REQUEST
            return answer
        return redirect(f"{PREFIX}/tasks/{created}", HTTPStatus.SEE_OTHER)

    def cancel_task(self, task_id: str) -> BaseResponse:
        """Cancel one task, and show it."""
        caller = self.identify()
        read_form(self.body_limit)
        found = parse_task_id(task_id)
        self.tasks.cancel(caller, found)
        return redirect(f"{PREFIX}/tasks/{found}", HTTPStatus.SEE_OTHER)

    def cancel_tasks(self) -> BaseResponse:
        """Cancel the tasks that are selected in a list, and show the list again."""
        caller = self.identify()
        fields = read_form(self.body_limit)
        chosen = fields.getlist("id")
        if len(chosen) > _MAX_SELECTED:
            problem = f"must be at most {_MAX_SELECTED}"
            raise InvalidRequestError([Violation("id", problem)])
        for task_id in chosen:
            self.tasks.cancel(caller, parse_task_id(task_id))
        back = filters_of(dict(parse_qsl(fields.get("filters", "").lstrip("?"))))
        return redirect(f"{PREFIX}/tasks{back}", HTTPStatus.SEE_OTHER)

    def show_error(self, error: TeskError) -> Response:
        """Say what is wrong, in a page."""
        status = STATUSES[error.kind]
        internal = error.kind is ErrorKind.INTERNAL
        answer = self._page(
            "error.html",
            status=status,
            message="something went wrong here" if internal else error.message,
            user="",
        )
        answer.status_code = status
        return answer

    def _problems(self, text: str) -> list[Problem]:
        try:
            self.parser.parse(text.encode())
        except InvalidRequestError as error:
            return placed(text, error.violations)
        return []

    def _page(self, template: str, **values: Any) -> Response:
        return render_page(self.clock, template, examples=EXAMPLES, **values)


def web_blueprint(
    pages: WebPages, task: TaskPage, load: LoadPage, *, challenge: str
) -> Blueprint:
    """Return the pages below ``/web``.

    Args:
        pages: Views of lists and forms,
        task: of one task,
        load: and of the load.
        challenge: ``WWW-Authenticate`` of a 401.
    """
    blueprint = Blueprint(
        "web", __name__, url_prefix=PREFIX, template_folder="templates"
    )
    one = "/tasks/<task_id:task_id>"
    blueprint.get("/")(pages.list_tasks)
    blueprint.get("/tasks")(pages.list_tasks)
    blueprint.post("/tasks")(pages.cancel_tasks)
    blueprint.get(one)(task.show_task)
    blueprint.get(f"{one}/executors/<int(max=9999):index>/<stream>")(
        task.download_stream
    )
    blueprint.post(f"{one}/cancel")(pages.cancel_task)
    blueprint.get("/load")(load.show_load)
    blueprint.get("/submit")(pages.show_form)
    blueprint.post("/submit")(pages.submit)
    blueprint.post("/check")(pages.check_document)
    blueprint.post("/submit/check")(pages.check_task)
    blueprint.get("/static/<name>")(static_file)

    @blueprint.errorhandler(TeskError)
    def on_error(error: TeskError) -> Response:
        answer = pages.show_error(error)
        if isinstance(error, UnauthenticatedError):
            answer.headers["WWW-Authenticate"] = challenge
        return answer

    @blueprint.after_request
    def set_policy(response: Response) -> Response:
        request.environ[PAGE_POLICY] = _POLICY
        return response

    return blueprint
