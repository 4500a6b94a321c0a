"""Pages for who changes the code name files and modules that exist."""

import re
from itertools import chain
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
FOLDERS = (
    "benchmarks",
    "cli",
    "docs",
    "examples",
    "helm",
    "libs",
    "protos",
    "scripts",
    "services",
    "tests",
)
PAGES = sorted(
    [
        ROOT / "CONTRIBUTING.md",
        ROOT / "README.md",
        *(ROOT / "docs").glob("*.md"),
        *(ROOT / "docs" / "adr").glob("*.md"),
        *chain(*((ROOT / folder).glob("**/README.md") for folder in FOLDERS)),
    ]
)

_NAME = re.compile(r"`([\w./-]+)`")
_FENCE = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)
_MODULE = re.compile(r"tesk(_\w+)(\.\w+)+")
# A path from the root, one inside a package, or the name of a file of code.
_PATH = re.compile(
    rf"(({'|'.join(FOLDERS)})/[\w./-]+)"
    r"|((adapters|domain|http|ports|servicer|usecases)/[\w./-]+)"
    r"|([\w./-]+\.(py|proto|sh|toml))"
)


def _existing() -> str:
    files = chain(ROOT.glob("*"), *((ROOT / each).rglob("*") for each in FOLDERS))
    paths = {path.relative_to(ROOT).as_posix() for path in files}
    # So that whoever looks for "/name" and a line's end finds a path's last parts.
    return "\n".join(f"/{path}" for path in paths) + "\n"


EXISTING = _existing()


def _exists(path: str) -> bool:
    path = path.rstrip("/")
    return f"/{path}\n" in EXISTING or f"/{path}.py\n" in EXISTING


def _module_exists(name: str) -> bool:
    path = name.replace(".", "/")
    return _exists(path) or _exists(path.rpartition("/")[0] + ".py")


def _missing(text: str) -> list[str]:
    names = _NAME.findall(_FENCE.sub("", text))
    modules = [name for name in names if _MODULE.fullmatch(name)]
    paths = [name for name in names if _PATH.fullmatch(name)]
    return [name for name in modules if not _module_exists(name)] + [
        path for path in paths if not _exists(path)
    ]


@pytest.mark.parametrize(
    "page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix()
)
def test_a_page_names_what_exists(page: Path) -> None:
    assert _missing(page.read_text("utf-8")) == []


@pytest.mark.parametrize(
    ("name", "exists"),
    {
        "tesk_model.states": True,
        "tesk_model.states.TaskState": True,
        "tesk_model.moods": False,
        "domain/admission.py": True,
        "adapters/batching": True,
        "domain/luck": False,
        "tests/unit/docs": True,
        "tests/unit/never": False,
        "TESK_HOME/leftovers": True,  # no file of the code
    }.items(),
)
def test_names_of_files_and_modules_are_told_from_others(
    name: str, *, exists: bool
) -> None:
    assert (_missing(f"`{name}`") == []) is exists
