"""The glossary names modules that exist."""

import re
from importlib.util import find_spec
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[3] / "docs" / "glossary.md"
MODULES = dict(re.findall(r"\| ([^|]+) \| [^|]+ \| `([\w.]+)` \|", PAGE.read_text()))


@pytest.mark.parametrize("word", MODULES)
def test_a_word_of_the_glossary_names_its_module(word: str) -> None:
    assert find_spec(MODULES[word])
