"""A transfer between memory and a folder, and the manifest of its volume."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from simulations.transfer import Bench
from tesk_filer.adapters.manifest_file import ManifestFile, open_manifest
from tesk_filer.adapters.manifest_records import Lines


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    (tmp_path / "volume").mkdir(exist_ok=True)
    return Bench(tmp_path / "volume")


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[..., ManifestFile]]:
    """Open the manifest of a volume, as the next filer would."""
    volume = tmp_path / "volume"
    volume.mkdir(exist_ok=True)
    made: list[ManifestFile] = []

    def open_one(
        token: str = "token", transfer: str = "a1 inputs", boot: str = "boot"
    ) -> ManifestFile:
        lines = Lines(token, transfer)
        made.append(open_manifest(volume / ".tesk", "manifest", lines, boot))
        return made[-1]

    yield open_one
    for manifest in made:
        manifest.close()
