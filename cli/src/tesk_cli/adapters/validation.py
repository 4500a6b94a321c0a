"""Reads and validates a task with the code that the api uses."""

from typing import TYPE_CHECKING

from tesk_cli.ports import ValidationResult
from tesk_model.errors import InvalidRequestError
from tesk_model.task import Task

if TYPE_CHECKING:
    from tesk_api.domain.requests import NewTask


def validate_task(body: bytes) -> ValidationResult:
    """See ``Validator``."""
    try:
        new = _parse(body)
    except InvalidRequestError as error:
        return ValidationResult(problems=error.violations)
    return ValidationResult(warnings=new.warnings)


def parse_task(body: bytes) -> Task:
    """Return the task that a JSON document describes.

    Raises:
        InvalidRequestError: Lists the problems, each by its path.
    """
    return _parse(body).task


def _parse(body: bytes) -> "NewTask":
    # Imported here: only few commands need it, and it takes a moment.
    from tesk_api.domain.backend_parameters import (  # noqa: PLC0415
        with_attempt_parameters,
    )
    from tesk_api.domain.offers import Offer  # noqa: PLC0415
    from tesk_api.http.task_parsing import TaskParser  # noqa: PLC0415

    # References and other parameters only the server knows.
    parser = TaskParser(
        offer=Offer(references=None), backend_parameters=with_attempt_parameters({})
    )
    return parser.parse(body)
