"""What is collected through links: one table for launcher and sandbox."""

from dataclasses import dataclass
from pathlib import Path

from tesk_filer.adapters.volume import FolderVolume
from tesk_filer.domain.uploads import Upload, plan_uploads
from tesk_model.locations import parse_location
from tesk_model.task import Output


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkCase:
    """Files and links below a root, a pattern, and which outputs that makes."""

    files: tuple[str, ...]
    links: dict[str, str]
    pattern: str
    want: tuple[str, ...]

    def make(self, root: Path) -> None:
        """Leave what a command would."""
        for name in self.files:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(name)
        for name, target in self.links.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).symlink_to(target)


LINK_CASES = {
    "a directory through a link": LinkCase(
        files=("d/f",), links={"l": "d"}, pattern="l/f", want=("l/f",)
    ),
    "a directory by both of its names": LinkCase(
        files=("d/f",), links={"l": "d"}, pattern="*/f", want=("d/f", "l/f")
    ),
    "a link that comes first": LinkCase(
        files=("d/f",), links={"a": "d"}, pattern="*/f", want=("a/f", "d/f")
    ),
    "two links to one directory": LinkCase(
        files=("x/d/f",),
        links={"y/l": "../x/d", "y/m": "../x/d"},
        pattern="y/*/f",
        want=("y/l/f", "y/m/f"),
    ),
    "a link to a link": LinkCase(
        files=("d/f",), links={"a": "b", "b": "d"}, pattern="a/*", want=("a/f",)
    ),
    "a link to a file": LinkCase(
        files=("d/f",), links={"d/l": "f"}, pattern="d/*", want=("d/f", "d/l")
    ),
    "links on two levels": LinkCase(
        files=("d/e/f",),
        links={"a": "d", "d/b": "e"},
        pattern="a/*/f",
        want=("a/b/f", "a/e/f"),
    ),
    "a link without what is wanted": LinkCase(
        files=("d/f", "e/g"), links={"l": "e"}, pattern="*/f", want=("d/f",)
    ),
}


def outputs(volume: Path, below: str, pattern: str) -> list[str]:
    """Return what a filer takes of a volume for a pattern below a folder."""
    output = Output(path=f"{below}/{pattern}", url="/x", path_prefix=below or "/")
    planned = plan_uploads(output, parse_location("/x"), FolderVolume(volume))
    uploads = [each for each in planned if isinstance(each, Upload)]
    return sorted(each.path.removeprefix(f"{below}/") for each in uploads)
