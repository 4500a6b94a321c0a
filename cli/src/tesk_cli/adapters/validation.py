"""Validates a task with the code that the api uses."""

from tesk_cli.ports import ValidationResult
from tesk_model.errors import InvalidRequestError


def validate_task(body: bytes) -> ValidationResult:
    """See ``Validator``."""
    # Imported here: only two commands need it, and it takes a moment.
    from tesk_api.http.task_parsing import TaskParser  # noqa: PLC0415

    try:
        new = TaskParser().parse(body)
    except InvalidRequestError as error:
        return ValidationResult(problems=error.violations)
    return ValidationResult(warnings=new.warnings)
