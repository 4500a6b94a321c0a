"""The examples of the page are those that everybody gets."""

from pathlib import Path

import pytest

import tesk_api.http.web
from tesk_api.domain.offers import Offer
from tesk_api.http.task_parsing import TaskParser
from tesk_api.http.web.examples import EXAMPLES, example_text

FOLDER = Path(__file__).parents[3] / "examples"
PACKAGED = Path(tesk_api.http.web.__file__).parent / "examples"


def test_every_example_of_the_page_is_packaged_and_none_else() -> None:
    assert {each.stem for each in PACKAGED.iterdir()} == set(EXAMPLES)


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_as_everybody_gets_it(name: str) -> None:
    packaged = (PACKAGED / f"{name}.json").read_bytes()
    assert packaged == (FOLDER / f"{name}.json").read_bytes()


@pytest.mark.parametrize("name", EXAMPLES)
@pytest.mark.parametrize("storage", [("s3://",), ("s3://bucket/",), ()])
def test_an_example_can_be_submitted(name: str, storage: tuple[str, ...]) -> None:
    parser = TaskParser(
        backend_parameters={}, refuse_unknown_fields=True, offer=Offer()
    )

    parsed = parser.parse(example_text(name, storage).encode())

    root = "s3://bucket/" if storage == ("s3://bucket/",) else "s3://BUCKET/"
    assert all(each.url.startswith(root) for each in parsed.task.outputs)
