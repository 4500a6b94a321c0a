"""Records of decisions have numbers of their own, which their titles repeat."""

import re
from pathlib import Path

FOLDER = Path(__file__).parents[3] / "docs" / "adr"


def test_every_decision_has_a_number_of_its_own_and_says_it() -> None:
    files = sorted(FOLDER.glob("*.md"))
    in_names = [int(file.name[:4]) for file in files]
    titles = [file.read_text("utf-8").partition("\n")[0] for file in files]
    in_titles = [
        int(found[1]) if (found := re.match(r"# (\d+)\. ", title)) else title
        for title in titles
    ]

    assert len(files) > 70
    assert in_names == list(range(1, len(files) + 1))
    assert in_titles == in_names
