"""The storage of ``file://`` urls and plain paths."""

from tesk_filer.adapters.storage.local import LocalStorage
from tesk_filer.adapters.storage.shared import open_shared
from tesk_filer.adapters.storage.storage_config import StorageConfig
from tesk_filer.ports import Storage


def open_storage(config: StorageConfig) -> Storage:
    """Return shared storage, the allowed folders, or both."""
    files = config.files
    protected = files.protected()
    allowed = LocalStorage(
        files.roots,
        read_roots=files.read_roots,
        protected=protected,
        most=files.most,
    )
    if not files.shared_prefix:
        return allowed
    return open_shared(
        files.shared_prefix,
        files.shared_path,
        others=allowed if files.roots or files.read_roots else None,
        protected=protected,
        most=files.most,
    )
