"""Asks whether a file could be written, in ways that write none."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice

from tesk_filer.adapters.storage.upload_aborts import abort_upload
from tesk_filer.domain.checks import Verdict, WriteFound
from tesk_filer.ports import StorageError

_MAX_FOLDERS = 32  # above a file that are looked for, each by one request or more


def check_by_upload(
    begin: Callable[[], str], abort: Callable[[str], object], *, cure: str
) -> WriteFound:
    """Begin an upload of a large file and abort it: until its end there is no object.

    The service decides by the name, as for any upload, which no question about
    permissions does.

    Args:
        begin: Returns what the service calls the upload.
        abort: Ends it without an object; succeeds if there is none of that name.
        cure: What removes an upload that could not be aborted.

    Raises:
        StorageError: It cannot be begun.
    """
    upload = begin()
    try:
        abort_upload(partial(abort, upload))
    except StorageError as error:
        left = f"could not be aborted and stays, without content: {error.message}"
        return WriteFound(Verdict.OK, f"an upload was begun; it {left}; {cure}")
    return WriteFound(
        Verdict.OK, "an upload was begun there, and aborted; nothing was written"
    )


def folders_above(path: str) -> Sequence[str]:
    """Return the folders above an absolute path, the nearest first; not too many."""

    def walk() -> Iterator[str]:
        folder = path.rstrip("/")
        while folder:
            folder = folder.rpartition("/")[0]
            yield folder or "/"

    return list(islice(walk(), _MAX_FOLDERS))


def untold(message: str) -> WriteFound:
    """Return that only an upload can tell, and what was seen."""
    return WriteFound(
        Verdict.UNKNOWN, f"{message}; only an upload can tell more, and none was made"
    )
