"""Validates single fields of a TES task, and fields of one input or output.

Each ``*_problem`` returns a phrase that follows the name of the field, or None
if it is valid. Source: GA4GH TES 1.1, and the decisions documented with it.
"""

import re
from collections.abc import Iterator
from dataclasses import replace

from tesk_api.domain.offers import Offer
from tesk_api.domain.references import reference_problem
from tesk_model.errors import Violation
from tesk_model.locations import (
    InvalidLocationError,
    UnknownSchemeError,
    parse_location,
)
from tesk_model.paths import is_pattern, path_problem
from tesk_model.patterns import first_wildcard
from tesk_model.references import is_reference
from tesk_model.schemes import Use
from tesk_model.task import FileType, Input, Output, Task

_NOT_A_FILE = 'must not end in "/": it names a file'
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def url_problem(
    url: str, use: Use, offer: Offer, *, names_file: bool = False
) -> str | None:
    """Return the problem of a storage url or plain path."""
    if _CONTROL.search(url):
        return "must not contain control characters"
    try:
        location = parse_location(url)
    except UnknownSchemeError as error:
        return offer.schemes.problem(error.scheme, use)
    except InvalidLocationError as error:
        return str(error)
    problem = offer.problem(location, use)
    if problem is None and names_file and not location.names_a_file:
        return _NOT_A_FILE
    return problem


def workdir_problem(path: str) -> str | None:
    """Return the problem of a working directory; ``/`` itself is allowed here."""
    return None if path and not path.strip("/") else path_problem(path)


def stream_problem(path: str) -> str | None:
    """Return the problem of the file of stdin, stdout or stderr."""
    return path_problem(path) or _file_name_problem(path)


def variable_name_problem(name: str) -> str | None:
    """Return the problem of the name of an environment variable."""
    if not name or "=" in name:
        return 'is not the name of a variable: it must not be empty or contain "="'
    return None


def input_problems(entry: Input, offer: Offer) -> Iterator[Violation]:
    """Yield the problems of one input.

    ``content`` that is not empty has precedence over ``url``, which is then
    ignored; ``content=""`` without url is an empty file.
    """
    from_content = bool(entry.content) or (entry.content is not None and not entry.url)
    if from_content:
        if entry.type is FileType.DIRECTORY:
            yield Violation("content", "must not be given for a DIRECTORY")
    elif not entry.url:
        yield Violation("url", "is required, unless content is given")
    elif is_reference(entry.url):
        if problem := reference_problem(entry.url, entry.type, offer.references):
            yield Violation("url", problem)
    else:
        use = Use.DIRECTORY if entry.type is FileType.DIRECTORY else Use.INPUT
        if problem := url_problem(entry.url, use, offer):
            yield Violation("url", problem)


def output_problems(entry: Output, offer: Offer) -> Iterator[Violation]:
    """Yield the problems of one output.

    ``path_prefix`` is ignored if ``path`` has no wildcards.
    """
    has_pattern = is_pattern(entry.path, entry.path_prefix)
    # Both ends of ``results/`` to ``…/results/`` lose their slash.
    is_file = entry.type is FileType.FILE and not entry.path.endswith("/")
    names_file = is_file and not has_pattern
    if problem := url_problem(entry.url, Use.OUTPUT, offer, names_file=names_file):
        yield Violation("url", problem)
    if not has_pattern:
        return
    prefix = entry.path_prefix
    if not prefix:
        yield Violation("path_prefix", "is required, because path has wildcards")
    elif not entry.path.startswith(prefix):
        yield Violation("path_prefix", "must be a leading part of path")
    elif first_wildcard(prefix, "*?") is not None:
        yield Violation("path_prefix", "must end before the first wildcard of path")


def without_final_slashes(task: Task) -> tuple[Task, list[str]]:
    """Remove the final slash of paths that name files, and of patterns.

    Engines write ``results/`` for what may be a file or a directory; whichever exists
    is then uploaded. Their url ends in the same way, so that its slash is removed too.

    Returns:
        The task, and the fields whose path was changed.
    """
    # Most tasks have none, and each request runs this.
    paths = [entry.path for entry in task.inputs]
    paths += [entry.path for entry in task.outputs]
    if not any(path[-1:] == "/" for path in paths):
        return task, []
    inputs = [_plain_input(entry) for entry in task.inputs]
    outputs = [_plain_output(entry) for entry in task.outputs]
    changed = [
        f"{name}[{index}].path"
        for name, before, after in (
            ("inputs", task.inputs, inputs),
            ("outputs", task.outputs, outputs),
        )
        for index, (old, new) in enumerate(zip(before, after, strict=True))
        if old is not new
    ]
    if changed:
        task = replace(task, inputs=tuple(inputs), outputs=tuple(outputs))
    return task, changed


def _plain_input(entry: Input) -> Input:
    if entry.type is FileType.FILE and entry.path.endswith("/"):
        return replace(entry, path=entry.path.rstrip("/"))
    return entry


def _plain_output(entry: Output) -> Output:
    names_file = entry.type is FileType.FILE or is_pattern(
        entry.path, entry.path_prefix
    )
    if names_file and entry.path.endswith("/"):
        path, url = entry.path.rstrip("/"), entry.url.rstrip("/")
        return replace(entry, path=path, url=url)
    return entry


def _file_name_problem(path: str) -> str | None:
    return _NOT_A_FILE if path.endswith("/") else None
