"""Places in urls that only the person at the terminal knows.

TES wants absolute urls, but an example must run wherever it was copied. So
``tesk run``, ``tesk task create`` and ``tesk validate`` replace, in the urls of
inputs and outputs only, ``${TASK_DIR}`` by the folder of the task file and
``${PWD}`` by the current folder. A command line may hold ``${PWD}`` for its
shell: it is left alone.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote


def with_places(document: Any, places: Mapping[str, str]) -> Any:
    """Return ``document`` with the placeholders in its urls replaced.

    Args:
        document: Anything that JSON can hold; what is no task is returned as
            it is, for the validator to complain about.
        places: Placeholder names and absolute folders.

    Returns:
        An equal object if there was nothing to replace.
    """
    if not isinstance(document, dict):
        return document
    placed = {
        name: [_placed(item, places) for item in document[name]]
        for name in ("inputs", "outputs")
        if isinstance(document.get(name), list)
    }
    return document | placed


def _placed(item: Any, places: Mapping[str, str]) -> Any:
    if not isinstance(item, dict) or not isinstance(item.get("url"), str):
        return item
    url = item["url"]
    encode = url.startswith("file:")
    for name, folder in places.items():
        url = url.replace("${" + name + "}", quote(folder) if encode else folder)
    return item | {"url": url}
