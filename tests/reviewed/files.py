"""Compares with reviewed files; writes them anew where the environment says so.

After a wanted change: ``TESK_UPDATE_GOLDEN=1 pytest TEST``, then review the
difference that git shows.
"""

import os
import re
from pathlib import Path
from typing import Any

import yaml


class _Dumper(yaml.SafeDumper):
    """Shows text of several lines as such, and no aliases."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 PyYAML's signature
        return True


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)


def to_yaml(value: Any) -> str:
    """Return a document as text that people read."""
    return yaml.dump(value, Dumper=_Dumper, allow_unicode=True, width=88)


def file_name(sentence: str) -> str:
    """Return the name, without suffix, of the file of a case."""
    return re.sub(r"[^a-z0-9]+", "-", sentence.lower()).strip("-")


def reviewed_text(file: Path, text: str) -> str:
    """Return what was reviewed; write ``text`` there first if that is wanted."""
    if os.environ.get("TESK_UPDATE_GOLDEN"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
    return file.read_text("utf-8")
