"""Every page of the documents: its links lead somewhere, its data can be read."""

import json
import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[3]
PAGES = sorted(
    path
    for folder in ("", "docs", "docs/adr", "docs/clients", "examples", "helm/tesk")
    for path in (ROOT / folder).glob("*.md")
)
NAMES = [path.relative_to(ROOT).as_posix() for path in PAGES]

_LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(?:#([^)]+))?\)")
_FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_links_lead_somewhere(page: Path) -> None:
    text = _FENCE.sub("", page.read_text("utf-8"))

    assert [link[0] for link in _LINK.finditer(text) if not _leads(page, link)] == []


def _leads(page: Path, link: re.Match[str]) -> bool:
    target, anchor = page.parent / link[1] if link[1] else page, link[2]
    if not anchor:
        return target.exists()
    if not target.is_file():
        return False
    text = _FENCE.sub("", target.read_text("utf-8"))
    return anchor in {
        _slug(heading) for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    }


def _slug(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _blocks(language: str) -> dict[str, str]:
    return {
        f"{name}-{number}": re.sub(rf"^{match[1]}", "", match[3], flags=re.MULTILINE)
        for name, page in zip(NAMES, PAGES, strict=True)
        for number, match in enumerate(_FENCE.finditer(page.read_text("utf-8")))
        if match[2] == language
    }


@pytest.mark.parametrize("text", _blocks("json").values(), ids=_blocks("json"))
def test_json_can_be_read(text: str) -> None:
    json.loads(text)


@pytest.mark.parametrize("text", _blocks("yaml").values(), ids=_blocks("yaml"))
def test_yaml_can_be_read(text: str) -> None:
    assert yaml.safe_load(text)


def test_each_engine_has_a_page_that_the_list_and_the_readme_name() -> None:
    pages = {path.name for path in (ROOT / "docs/clients").glob("*.md")}
    listed = (ROOT / "docs/clients/README.md").read_text("utf-8")

    assert "](docs/clients/README.md)" in (ROOT / "README.md").read_text("utf-8")
    assert pages - {"README.md"} == set(re.findall(r"\]\(([a-z-]+\.md)", listed))
