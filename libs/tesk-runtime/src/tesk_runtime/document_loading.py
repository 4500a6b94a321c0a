"""Loads a YAML document of its own file as frozen typed values, or tells all its faults."""

from collections.abc import Sequence
from typing import TypeVar

import msgspec
from msgspec import inspect

from tesk_runtime.document_checks import document_problems
from tesk_runtime.document_problems import DocumentProblem
from tesk_runtime.setting_names import normalize_names
from tesk_runtime.yaml_documents import YamlError, parse_yaml

DocumentT = TypeVar("DocumentT", bound=msgspec.Struct)

MAX_BYTES = 2**20


class InvalidDocumentError(Exception):
    """A document is refused.

    Attributes:
        problems: All that is wrong, each with its place and what it must be.
    """

    def __init__(self, problems: Sequence[DocumentProblem]) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = tuple(problems)

    @classmethod
    def of_whole(cls, text: str) -> "InvalidDocumentError":
        """Return the error about the document itself."""
        return cls([DocumentProblem("", text)])


def document_text(data: bytes) -> str:
    """Return the text of a document in UTF-8.

    Raises:
        InvalidDocumentError: It is none, or has more than 1 MiB; its end may be missing.
    """
    _check_size(data)
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise InvalidDocumentError.of_whole("is not text in UTF-8") from error


def load_document(
    text: str, kind: type[DocumentT], *, section: str, empty: str, reserved: str = ""
) -> DocumentT:
    """Return what a YAML document holds, directly or below ``section``.

    Names may be written as in the values of the chart, too (``maxRunning``). An empty
    document is refused: it is more likely a mistake than meant.

    Args:
        text: The document, at most 1 MiB.
        kind: What it must be.
        section: Name of the only mapping that may be around it.
        empty: What ``{}`` means, for messages.
        reserved: A name that is for the settings alone.

    Raises:
        InvalidDocumentError: With all that is wrong.
    """
    _check_size(text.encode())
    try:
        document = parse_yaml(text)
    except YamlError as error:
        raise InvalidDocumentError.of_whole(str(error)) from error
    if not isinstance(document, dict):
        raise InvalidDocumentError.of_whole(f"must be a mapping; {{}} {empty}")
    if document.keys() == {section} and isinstance(document[section], dict):
        document = document[section]
    document = normalize_names(document, inspect.type_info(kind))
    if reserved and reserved in document:
        problem = "is for the settings alone: leave it out here"
        raise InvalidDocumentError([DocumentProblem(reserved, problem)])
    if problems := document_problems(document, kind):
        raise InvalidDocumentError(problems)
    return msgspec.convert(document, kind, strict=False)


def _check_size(data: bytes) -> None:
    if len(data) > MAX_BYTES:
        raise InvalidDocumentError.of_whole(f"must be at most {MAX_BYTES:,} bytes")
