"""What a pattern takes out of the sandbox is what the table of patterns says."""

from pathlib import Path

import pytest

from pattern_cases import DEEP_CASES, NAME_CASES, is_reached
from tesk_runtime.beneath import Beneath
from tesk_taskmaster.adapters.sandbox.collecting import Collecting


@pytest.fixture
def collecting(tmp_path: Path) -> Collecting:
    for name in ("source", "target"):
        (tmp_path / name).mkdir()
    return Collecting(
        Beneath(tmp_path / "source"), Beneath(tmp_path / "target"), frozenset()
    )


@pytest.mark.parametrize(
    ("pattern", "name", "want"), NAME_CASES.values(), ids=NAME_CASES
)
def test_a_name_is_matched_as_in_a_shell(
    collecting: Collecting, tmp_path: Path, pattern: str, name: str, *, want: bool
) -> None:
    (tmp_path / "source" / name).touch()

    collecting.take(f"/{pattern}")

    assert (tmp_path / "target" / name).exists() is want


@pytest.mark.parametrize(
    ("pattern", "path"), [case[:2] for case in DEEP_CASES.values()], ids=DEEP_CASES
)
def test_two_stars_cross_folders(
    collecting: Collecting, tmp_path: Path, pattern: str, path: str
) -> None:
    file = tmp_path / "source" / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch()

    collecting.take(f"/{pattern}")

    assert (tmp_path / "target" / path).exists() is is_reached(pattern, path)
