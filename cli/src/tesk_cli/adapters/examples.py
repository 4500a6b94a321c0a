"""Finds the example tasks that are shipped with the command."""

import json
from importlib import resources
from pathlib import Path

from tesk_model.errors import NotFoundError


def examples_folder() -> Path:
    """Return the folder of the shipped examples."""
    return Path(str(resources.files("tesk_cli"))) / "examples"


def list_examples() -> dict[str, str]:
    """Return name and description of each example, sorted by name."""
    return {
        path.stem: str(json.loads(path.read_bytes()).get("description", ""))
        for path in sorted(examples_folder().glob("*.json"))
    }


def example_path(name: str) -> Path:
    """Return the file of an example.

    Raises:
        NotFoundError: There is none of that name.
    """
    names = list_examples()
    if name not in names:
        msg = f"no example {name!r}; there are {', '.join(names)}"
        raise NotFoundError(msg)
    return examples_folder() / f"{name}.json"
