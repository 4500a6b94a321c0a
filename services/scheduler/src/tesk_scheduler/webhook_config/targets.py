"""Reads the file of webhooks: who is told of the states of tasks.

::

    targets:
      - {name: lab, url: https://hooks.example.org/tesk, secrets: [lab], groups: [genomics]}
    tasks:
      - {name: ci, urls: [https://ci.example.org/hooks], secrets: [ci], users: [anna]}

``targets`` are told by the operator's wish; below ``tasks`` are beginnings of urls that
tasks may name themselves.
"""

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Annotated

import msgspec
from msgspec import Meta

from tesk_model.states import TaskState
from tesk_model.url_lists import UrlPattern, parse_url_patterns
from tesk_runtime.document_loading import InvalidDocumentError, load_document
from tesk_runtime.document_problems import DocumentProblem
from tesk_scheduler.domain.webhooks.targets import (
    Audience,
    Target,
    Targets,
    url_problem,
)

_MOST_TARGETS = 100
_Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]
_Names = Annotated[tuple[_Name, ...], Meta(min_length=1, max_length=4)]
_People = Annotated[
    tuple[Annotated[str, Meta(min_length=1, max_length=512)], ...],
    Meta(max_length=1000),
]
_States = Annotated[tuple[TaskState, ...], Meta(max_length=len(TaskState))]


class _Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What both kinds of entries have."""

    name: _Name
    secrets: _Names
    users: _People = ()
    groups: _People = ()
    states: _States = ()

    @property
    def audience(self) -> Audience:
        """Of whose tasks it hears."""
        return Audience(
            users=frozenset(self.users),
            groups=frozenset(self.groups),
            states=frozenset(self.states),
        )


class TargetEntry(_Entry, frozen=True):
    """A receiver."""

    url: Annotated[str, Meta(min_length=1)]


class TaskEntry(_Entry, frozen=True):
    """Receivers that tasks may name."""

    urls: Annotated[tuple[str, ...], Meta(min_length=1, max_length=100)]


class TargetsDocument(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True
):
    """The file of webhooks."""

    targets: Annotated[tuple[TargetEntry, ...], Meta(max_length=_MOST_TARGETS)] = ()
    tasks: Annotated[tuple[TaskEntry, ...], Meta(max_length=_MOST_TARGETS)] = ()


def load_targets(text: str, *, plain_http: bool) -> Targets:
    """Read the file.

    Args:
        text: The YAML document.
        plain_http: Whether urls by http are accepted.

    Raises:
        InvalidDocumentError: With all that is wrong.
    """
    document = load_document(
        text, TargetsDocument, section="webhooks", empty="has no receivers"
    )
    problems = [
        *_repeated(each.name for each in chain(document.targets, document.tasks)),
        *_url_problems(document, plain_http=plain_http),
    ]
    if problems:
        raise InvalidDocumentError(problems)
    return Targets(
        (
            *(
                Target(
                    name=each.name,
                    secrets=each.secrets,
                    audience=each.audience,
                    url=each.url,
                )
                for each in document.targets
            ),
            *(
                Target(
                    name=each.name,
                    secrets=each.secrets,
                    audience=each.audience,
                    beginnings=parse_url_patterns(each.urls, "urls"),
                )
                for each in document.tasks
            ),
        )
    )


def _repeated(names: Iterable[str]) -> Iterator[DocumentProblem]:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            yield DocumentProblem("", f'the name "{name}" is given twice')
        seen.add(name)


def _url_problems(
    document: TargetsDocument, *, plain_http: bool
) -> Iterator[DocumentProblem]:
    for index, target in enumerate(document.targets):
        path = f"targets[{index}].url"
        if problem := url_problem(target.url):
            # Not the url: receivers know each other by secrets in it.
            yield DocumentProblem(path, problem)
        elif not plain_http and not target.url.lower().startswith("https:"):
            yield DocumentProblem(path, _NO_HTTP)
    for index, entry in enumerate(document.tasks):
        for place, url in enumerate(entry.urls):
            path = f"tasks[{index}].urls[{place}]"
            yield from _pattern_problems(url, path, plain_http=plain_http)


_NO_HTTP = "must be by https, unless webhooks.plain_http allows http"


def _pattern_problems(
    url: str, path: str, *, plain_http: bool
) -> Iterator[DocumentProblem]:
    try:
        (pattern,) = parse_url_patterns([url], path)
    except ValueError as error:
        yield DocumentProblem("", str(error))
        return
    if pattern.scheme not in _schemes(plain_http=plain_http):
        yield DocumentProblem(path, _NO_HTTP if _is_http(pattern) else "must be https")


def _is_http(pattern: UrlPattern) -> bool:
    return pattern.scheme == "http"


def _schemes(*, plain_http: bool) -> tuple[str, ...]:
    return ("https", "http") if plain_http else ("https",)
