"""Reads the operator's files of credentials.

Each is YAML with a list ``credentials``. A value may stand in the file, or in a file
beside it: ``passwordFile`` names the one that holds ``password``. Messages quote
nothing of a file, which the library's would.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tesk_filer.adapters.storage.credential_document import KINDS, entry_of
from tesk_filer.adapters.storage.watched_files import Reading
from tesk_filer.domain.credential_table import CredentialEntry, CredentialTable

_SETTING = "filer.credentials (TESK_FILER_CREDENTIALS)"
_LIST = "credentials"
_SUFFIXES = (".yaml", ".yml")
_FILE = "File"
_MAX_ENTRIES = 10_000  # of a file


def read_credential_files(paths: Sequence[str], reading: Reading) -> CredentialTable:
    """Return the credentials of all files.

    Args:
        paths: Files, and folders of which every ``.yaml`` file is read.
        reading: Reads them.

    Raises:
        ValueError: One cannot be read, or what it says is wrong.
    """
    files = [file for path in paths for file in _files(Path(path), reading)]
    return CredentialTable(
        [entry for file in files for entry in _CredentialFile(file, reading).entries()]
    )


def _files(path: Path, reading: Reading) -> list[Path]:
    if not path.is_absolute():
        raise ValueError(f"{_SETTING}: {path} must be an absolute path")
    if not path.is_dir():
        return [path]
    try:
        names = reading.names(path)
    except OSError as error:
        raise ValueError(f"{_SETTING}: cannot read {path}: {error.strerror}") from None
    found = [name for name in names if name.endswith(_SUFFIXES) and name[0] != "."]
    if not found:
        raise ValueError(f"{_SETTING}: {path} holds no file *.yaml")
    return [path / name for name in found]


@dataclass(frozen=True, slots=True)
class _CredentialFile:
    path: Path
    reading: Reading

    def entries(self) -> Iterator[CredentialEntry]:
        """Yield what the file says.

        Raises:
            ValueError: It is wrong.
        """
        try:
            written = _list_of(self._text())
        except ValueError as error:
            raise ValueError(f"{_SETTING}: {self.path} {error}") from None
        for number, entry in enumerate(written):
            source = f"{self.path}: {_LIST}[{number}]"
            try:
                yield entry_of(self._with_values(entry, source), source)
            except ValueError as error:
                raise ValueError(f"{_SETTING}: {error}") from None

    def _text(self) -> str:
        try:
            return self.reading.read(self.path)
        except OSError as error:
            raise ValueError(f"cannot be read: {error.strerror}") from None

    def _with_values(self, entry: Any, source: str) -> Any:
        """Return an entry in which names of files are replaced by what they hold."""
        if not isinstance(entry, dict):
            return entry
        return {
            name: self._part_with_values(value, f"{source}.{name}")
            if name in KINDS and isinstance(value, dict)
            else value
            for name, value in entry.items()
        }

    def _part_with_values(self, part: dict[Any, Any], source: str) -> dict[Any, Any]:
        found: dict[Any, Any] = {}
        for name, value in part.items():
            if not isinstance(name, str) or not name.endswith(_FILE):
                found[name] = value
                continue
            own = name.removesuffix(_FILE)
            if own in part:
                raise ValueError(f"{source}: has both {own} and {name}; remove one")
            try:
                found[own] = self._value(value)
            except ValueError as error:
                raise ValueError(f"{source}.{name}: {error}") from None
        return found

    def _value(self, name: Any) -> str:
        """Return what a file beside this one holds.

        Messages do not name it: a secret may have been written into the wrong field.
        """
        is_path = isinstance(name, str) and name[:1] not in ("", "/")
        if not is_path or ".." in name.split("/") or "\0" in name:
            raise ValueError("must name a file in the folder of this one")
        try:
            text = self.reading.read(self.path.parent / name)
        except OSError as error:
            raise ValueError(f"the file cannot be read: {error.strerror}") from None
        except ValueError as error:
            raise ValueError(f"the file {error}") from None
        line = text.rstrip("\r\n")
        if not line:
            raise ValueError("the file is empty")
        return text if "\n" in line else line


def _list_of(text: str) -> list[Any]:
    from tesk_runtime.yaml_documents import (  # noqa: PLC0415 - see there
        YamlError,
        parse_yaml,
    )

    try:
        document = parse_yaml(text)
    except YamlError as error:
        raise ValueError(error.summary) from None
    entries = document.get(_LIST) if isinstance(document, dict) else None
    if not isinstance(entries, list) or document.keys() != {_LIST}:
        raise ValueError(f'must hold a list "{_LIST}" and nothing else')
    if len(entries) > _MAX_ENTRIES:
        raise ValueError(f"has more than {_MAX_ENTRIES} entries")
    return entries
