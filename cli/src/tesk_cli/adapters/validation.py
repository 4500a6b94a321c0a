"""What a TESK server would find wrong with a task, by the api's own code."""

from collections.abc import Sequence

from tesk_model.errors import InvalidRequestError, Violation


def find_problems(body: bytes) -> Sequence[Violation]:
    """List all problems of a JSON document that is to be submitted."""
    # Imported here: only two commands need it, and it takes a moment.
    from tesk_api.http.parsing import parse_task  # noqa: PLC0415

    try:
        parse_task(body)
    except InvalidRequestError as error:
        return error.violations
    return ()
