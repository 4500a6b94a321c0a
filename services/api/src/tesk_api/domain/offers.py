"""Which urls this installation lets tasks name."""

from collections.abc import Sequence
from dataclasses import dataclass

from tesk_model.locations import InvalidLocationError, scheme_of
from tesk_model.schemes import OfferedSchemes


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageSettings:
    """What the settings say of storages.

    Attributes:
        written: Beginnings of urls that tasks can use.
        read: Beginnings of urls that they can only read.
        has_file_roots: Whether folders of this machine may be written.
        has_read_roots: Whether some may be read.
    """

    written: Sequence[str] = ()
    read: Sequence[str] = ()
    has_file_roots: bool = False
    has_read_roots: bool = False


def make_offer(storages: StorageSettings) -> OfferedSchemes:
    """Return what is offered; everything if no beginning of urls is named.

    Raises:
        ValueError: A setting names a scheme that TESK does not know.
    """
    if not storages.written:
        return OfferedSchemes()
    outputs = _schemes("api.storage (TESK_API_STORAGE)", storages.written)
    inputs = _schemes("api.read_storage (TESK_API_READ_STORAGE)", storages.read)
    if storages.has_file_roots:
        outputs.add("file")
    if storages.has_read_roots:
        inputs.add("file")
    return OfferedSchemes(inputs=inputs | outputs, outputs=outputs)


def _schemes(setting: str, beginnings: Sequence[str]) -> set[str]:
    try:
        return set(map(scheme_of, beginnings))
    except InvalidLocationError as error:
        raise ValueError(f"{setting}: {error}") from error
