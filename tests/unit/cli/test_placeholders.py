from typing import Any

import pytest

from tesk_cli.domain.placeholders import with_places

PLACES = {"TASK_DIR": "/t d", "PWD": "/here"}

CASES: dict[str, tuple[Any, Any]] = {
    "a plain path in an input": (
        {"inputs": [{"url": "${TASK_DIR}/a"}]},
        {"inputs": [{"url": "/t d/a"}]},
    ),
    "a file url is percent-encoded": (
        {"outputs": [{"url": "file://${TASK_DIR}/a"}]},
        {"outputs": [{"url": "file:///t%20d/a"}]},
    ),
    "a command is for its shell": (
        {"executors": [{"command": ["sh", "-c", "echo ${PWD}"]}]},
        {"executors": [{"command": ["sh", "-c", "echo ${PWD}"]}]},
    ),
    "other names stay": (
        {"inputs": [{"url": "/a/${HOME}", "path": "${PWD}"}]},
        {"inputs": [{"url": "/a/${HOME}", "path": "${PWD}"}]},
    ),
    "what is no task stays": (["${PWD}"], ["${PWD}"]),
    "what is no list of inputs stays": (
        {"inputs": {"url": "${PWD}"}, "outputs": ["${PWD}", {"url": 1}]},
        {"inputs": {"url": "${PWD}"}, "outputs": ["${PWD}", {"url": 1}]},
    ),
}


@pytest.mark.parametrize(("document", "want"), CASES.values(), ids=list(CASES))
def test_only_urls_are_filled_in(document: Any, want: Any) -> None:
    assert with_places(document, PLACES) == want
