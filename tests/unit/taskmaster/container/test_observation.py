"""What an engine says of a container becomes an observation."""

import pytest

from tesk_taskmaster.adapters.container.observation import image_digest

IDS = {
    "with its kind": ("sha256:ab12", "sha256:ab12"),
    "without its kind, as Podman writes some": ("ab12", "sha256:ab12"),
    "unknown": ("", ""),
}


@pytest.mark.parametrize(("written", "want"), IDS.values(), ids=IDS)
def test_an_image_has_one_digest_however_its_id_is_written(
    written: str, want: str
) -> None:
    assert image_digest(written) == want
