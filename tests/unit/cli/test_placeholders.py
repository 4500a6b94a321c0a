from typing import Any

import pytest

from tesk_cli.domain.placeholders import replace_placeholders

FOLDERS = {"TASK_DIR": "/t d", "PWD": "/here"}

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
    "a document that is not a task stays": (["${PWD}"], ["${PWD}"]),
    "inputs that are not a list stay": (
        {"inputs": {"url": "${PWD}"}, "outputs": ["${PWD}", {"url": 1}]},
        {"inputs": {"url": "${PWD}"}, "outputs": ["${PWD}", {"url": 1}]},
    ),
}


@pytest.mark.parametrize(("document", "want"), CASES.values(), ids=list(CASES))
def test_placeholders_are_replaced_in_urls_only(document: Any, want: Any) -> None:
    assert replace_placeholders(document, FOLDERS) == want
