"""Gives tasks to begin with: those of ``examples/`` that need no file of their own.

The files beside this module are the same, byte for byte, since an image of the api has
no other; a test compares them.
"""

import functools
from importlib.resources import files
from types import MappingProxyType

EXAMPLES = MappingProxyType(
    {
        "hello": "one command",
        "environment": "variables",
        "inline-content": "a script in the task",
        "executors-share-volume": "several steps",
        "redirects": "stdin and stdout",
        "glob-output": "outputs by a pattern",
        "directory-output": "a folder as output",
        "resources-and-tags": "resources and tags",
        "ignore-error": "a step that may fail",
        "failing": "a failure",
    }
)
"""What each shows, by name."""

_FOLDER = "${PWD}"  # which the command replaces by its working folder


def example_text(name: str, storage: tuple[str, ...]) -> str:
    """Return an example whose outputs lie in the first of ``storage``.

    Args:
        name: A key of ``EXAMPLES``.
        storage: Beginnings of urls that can be written, as the server lists them: a
            scheme, or a folder.
    """
    return _content(name).replace(_FOLDER, _root(storage))


def _root(storage: tuple[str, ...]) -> str:
    first = storage[0] if storage else "s3://"
    root = first.rstrip("/")
    # Of a scheme alone, such as ``s3://``, a user must name the place.
    return f"{root}//BUCKET" if root.endswith(":") else root


@functools.cache
def _content(name: str) -> str:
    return files(__package__).joinpath("examples", f"{name}.json").read_text("utf-8")
