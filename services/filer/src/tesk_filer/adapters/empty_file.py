"""Writes an empty file to a storage, to find out whether it takes files."""

import tempfile

from tesk_filer.ports import Source, Storage
from tesk_model.locations import Location


def write_empty(storage: Storage, location: Location) -> None:
    """Write an empty file.

    Raises:
        StorageError: The storage does not take it.
    """
    with tempfile.TemporaryFile() as file:
        source = Source(
            descriptor=file.fileno(), size=0, executable=False, tag="tesk-check"
        )
        storage.write(location, source, lambda _: None)
