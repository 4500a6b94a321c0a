"""Urls of reference data: ``ref://grch38/genome.fa``.

A reference is a folder that the administrator names. Executors see it, or a part of it,
read-only at the path of an input: nothing is transferred, so that these urls are none
of a storage (``tesk_model.schemes``) and filers never see them.
"""

import re
from dataclasses import dataclass
from urllib.parse import unquote

from tesk_model.locations import InvalidLocationError
from tesk_model.task import Input

PREFIX = "ref://"
NAME_PATTERN = r"^[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?$"
"""What the name of a reference may be."""

_NAME = re.compile(NAME_PATTERN)
_MAX_PATH_BYTES = 4095
_MAX_NAME_BYTES = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceUrl:
    """The url of a file or folder of a reference.

    Attributes:
        name: Of the reference.
        path: Below it, decoded, without empty and ``.`` segments; "" for all of it.
        written: The url as it was written.
    """

    name: str
    path: str
    written: str

    @property
    def names_a_file(self) -> bool:
        """Whether a file can have this url: it ends in a name."""
        return self.path != "" and not self.written.endswith("/")

    def __str__(self) -> str:
        """Render it for people; it holds no secret."""
        return self.written


def root_url(name: str) -> str:
    """Return the url of all of a reference."""
    return f"{PREFIX}{name}/"


def reference_of(entry: Input) -> ReferenceUrl | None:
    """Return the reference that an input is; None if its bytes come from elsewhere.

    Raises:
        InvalidLocationError: Its url is that of a reference, and malformed.
    """
    if entry.content or not entry.url or not is_reference(entry.url):
        return None
    return parse_reference(entry.url)


def is_reference(url: str) -> bool:
    """Tell whether a url, perhaps malformed, is that of a reference."""
    return url[: len(PREFIX)].lower() == PREFIX


def parse_reference(url: str) -> ReferenceUrl:
    """Read the url of a reference: percent-encoded, without host, query or login.

    Raises:
        InvalidLocationError: It is malformed.
    """
    name, _, rest = url[len(PREFIX) :].partition("/")
    if _NAME.fullmatch(name) is None:
        raise InvalidLocationError(
            "must be ref://NAME/PATH, and NAME a name of lower-case letters, digits, "
            '".", "_" and "-"'
        )
    segments = [part for part in unquote(rest).split("/") if part not in ("", ".")]
    path = "/".join(segments)
    if ".." in segments:
        raise InvalidLocationError('must not contain ".." segments')
    if "\0" in path or "\ufffd" in path:
        raise InvalidLocationError(
            "must be valid UTF-8 when it is decoded, without NUL"
        )
    if len(path.encode()) > _MAX_PATH_BYTES or any(
        len(part.encode()) > _MAX_NAME_BYTES for part in segments
    ):
        raise InvalidLocationError(
            f"must not be longer than {_MAX_PATH_BYTES} bytes, nor a name in it "
            f"than {_MAX_NAME_BYTES}"
        )
    return ReferenceUrl(name=name, path=path, written=url)
