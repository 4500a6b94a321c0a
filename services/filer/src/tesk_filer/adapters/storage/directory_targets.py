"""Says that a file cannot be written because a directory has its name.

Every storage in which a name is a file or a directory finds that out in its own way.
"""

from tesk_filer.ports import StorageError

IS_DIRECTORY = "is a directory; end the url in the name of a file"


def directory_in_the_way() -> StorageError:
    """Return the error of an output whose url names a directory."""
    return StorageError(IS_DIRECTORY)
