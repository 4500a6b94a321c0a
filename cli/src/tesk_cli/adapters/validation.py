"""What a TESK server would find wrong with a task, by the api's own code."""

from tesk_cli.ports import Findings
from tesk_model.errors import InvalidRequestError


def examine_task(body: bytes) -> Findings:
    """See ``Validator``."""
    # Imported here: only two commands need it, and it takes a moment.
    from tesk_api.http.task_parsing import TaskParser  # noqa: PLC0415

    try:
        new = TaskParser().parse(body)
    except InvalidRequestError as error:
        return Findings(problems=error.violations)
    return Findings(warnings=new.warnings)
