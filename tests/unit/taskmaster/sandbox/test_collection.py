"""Collection of outputs from the root of a sandbox."""

from pathlib import Path

import pytest

from cases.collecting import LINK_CASES, LinkCase, outputs
from tesk_runtime.rooted_files import RootedFiles
from tesk_taskmaster.adapters.sandbox.collection import OutputCollector


@pytest.mark.parametrize("case", LINK_CASES.values(), ids=LINK_CASES)
def test_outputs_through_links(tmp_path: Path, case: LinkCase) -> None:
    root, volume = tmp_path / "root", tmp_path / "volume"
    root.mkdir()
    volume.mkdir()
    case.make(root)

    collecting = OutputCollector(RootedFiles(root), RootedFiles(volume), frozenset())
    collecting.collect(f"/{case.pattern}")
    collecting.collect(f"/{case.pattern}")  # as a successor does

    assert tuple(outputs(volume, "", case.pattern)) == case.want
