"""Replaces placeholders in the urls of a task.

TES wants absolute urls, but an example must run wherever it was copied. So
``tesk run``, ``tesk task create`` and ``tesk validate`` replace, in the urls of
inputs and outputs only, ``${TASK_DIR}`` by the folder of the task file and
``${PWD}`` by the current folder. A command line may hold ``${PWD}`` for its
shell: it is left alone.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote


def replace_placeholders(document: Any, folders: Mapping[str, str]) -> Any:
    """Return ``document`` with the placeholders in its urls replaced.

    Args:
        document: Any JSON value; one that is not a task is returned unchanged,
            so that the validator reports it.
        folders: Absolute folders by placeholder name.

    Returns:
        An equal object if there was nothing to replace.
    """
    if not isinstance(document, dict):
        return document
    replaced = {
        name: [_replace_in_url(item, folders) for item in document[name]]
        for name in ("inputs", "outputs")
        if isinstance(document.get(name), list)
    }
    return document | replaced


def _replace_in_url(item: Any, folders: Mapping[str, str]) -> Any:
    if not isinstance(item, dict) or not isinstance(item.get("url"), str):
        return item
    url = item["url"]
    encode = url.startswith("file:")
    for name, folder in folders.items():
        url = url.replace("${" + name + "}", quote(folder) if encode else folder)
    return item | {"url": url}
