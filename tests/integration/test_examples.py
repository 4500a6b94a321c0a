"""Every example runs, as its README says."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from programs.serve_command import Serving, served

EXAMPLES = Path(__file__).parents[2] / "examples"
OUT = "tesk-output"


@dataclass(frozen=True)
class Want:
    """What an example does.

    Attributes:
        exit_code: Of ``tesk run``.
        printed: What the executors print on stdout, together.
        files: Contents of the files that it writes; None if it does not matter.
    """

    printed: str = ""
    exit_code: int = 0
    files: dict[str, str | None] = field(default_factory=dict)


REPORT = (
    "lines: 10\ndifferent words: 33\nmost frequent:\n"
    "      6 the\n      4 what\n      3 tyger\n"
)
WANTS = {
    "quickstart": Want(
        printed=REPORT,
        files={
            "quickstart-output/report.txt": REPORT,
            "quickstart-output/words.txt": None,
        },
    ),
    "hello": Want("hello from TESK\n"),
    "executors-share-volume": Want("apple\npear\n"),
    "environment": Want("hello wörld|one\ntwo||$(HOME) stays|"),
    "redirects": Want(
        printed="1\n2\n3\n",  # the logs keep what a file gets
        files={
            f"{OUT}/redirects/sorted": "1\n2\n3\n",
            f"{OUT}/redirects/errors": "",
        },
    ),
    "ignore-error": Want("went on\n"),
    "inline-content": Want("2 arguments: a b ü\n0 /work/empty\n"),
    "directory-input": Want("alpha\nbeta\ngamma\n"),
    "directory-output": Want(
        files={
            f"{OUT}/directory/one.txt": "one\n",
            f"{OUT}/directory/deep/two words.txt": "two words\n",
        }
    ),
    "glob-output": Want(
        files={f"{OUT}/glob/part-{number}.txt": f"{number}\n" for number in (1, 2, 3)}
    ),
    "resources-and-tags": Want("small and easy to find\n"),
    "failing": Want(exit_code=3, files={f"{OUT}/failing/log.txt": "first step done\n"}),
    "http-input": Want('"artifact":"tes"\n'),
    "unusual-names": Want(
        "found\n", files={f"{OUT}/unusual names/结果.txt": "found\n"}
    ),
}


@pytest.fixture(
    scope="module",
    params=[
        "sandbox",
        pytest.param("container", marks=[pytest.mark.engine, pytest.mark.long]),
    ],
)
def place(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Serving]:
    folder = tmp_path_factory.mktemp("examples")
    with served(folder, engine=request.param) as running:
        yield running


def test_every_example_is_tried() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.json")} == set(WANTS)


@pytest.mark.parametrize("name", WANTS)
def test_an_example_does_what_it_says(place: Serving, name: str) -> None:
    want = WANTS[name]
    file = EXAMPLES / f"{name}.json"
    if name == "http-input":
        # It names the port of `tesk serve`, which may be in use here.
        text = file.read_text().replace("http://127.0.0.1:8080", place.url)
        file = place.folder / file.name
        file.write_text(text)

    result = place.tesk("run", str(file), "--output", "json")

    assert result.returncode == want.exit_code, result.stderr
    log = json.loads(result.stdout)["logs"][0]
    assert "".join(entry.get("stdout", "") for entry in log["logs"]) == want.printed
    for path, content in want.files.items():
        written = (place.folder / path).read_text()
        assert content is None or written == content
    assert len(log["outputs"]) == len(want.files)
