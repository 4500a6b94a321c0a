"""Inspection of images by the engine, with a bounded cache."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from tesk_model.names import Attempt
from tesk_model.task import TaskId
from tesk_taskmaster.adapters.container.image_contents import ImageContents

ATTEMPT = Attempt(TaskId("t1"), 1)


class FullImages:
    """An engine whose images have files in each directory but ``/none``."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.containers: set[str] = set()

    def inspect_image(self, image: str) -> Mapping[str, str]:
        return {"Id": f"sha256:{image}"}

    def create(self, name: str, config: Mapping[str, object]) -> None:
        assert config["Image"]
        self.containers.add(name)

    def remove(self, name: str) -> None:
        self.containers.discard(name)

    def entries(self, name: str, directory: str) -> Sequence[str] | None:
        assert name in self.containers
        self.asked.append(directory)
        return None if directory == "/none" else ["file"]


def contents_of(engine: FullImages) -> ImageContents:
    return ImageContents(engine, Path("/home"))  # type: ignore[arg-type]


def test_an_image_is_inspected_once() -> None:
    engine = FullImages()
    contents = contents_of(engine)

    for _ in range(2):
        found = contents.occupied_directories(ATTEMPT, "a", ["/app", "/none/x"])
        assert found == ["/app"]

    assert engine.asked == ["/app", "/none"]
    assert engine.containers == set()


def test_directories_of_one_request_are_not_evicted() -> None:
    many = [f"/d{number}" for number in range(10_500)]

    assert contents_of(FullImages()).occupied_directories(ATTEMPT, "a", many) == many
