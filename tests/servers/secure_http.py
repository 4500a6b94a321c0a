"""A web server by TLS, and what it takes to trust it and no more."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from files.certificates import Authority
from servers.http import HttpFiles, http_server
from tesk_filer.adapters.storage.egress import Egress
from tesk_filer.adapters.storage.setting_credentials import SettingCredentials
from tesk_filer.adapters.storage.storage_config import (
    FileAccess,
    HttpOptions,
    StorageConfig,
    Timeouts,
)
from tesk_filer.ports import Credentials
from tesk_model.url_lists import UrlLists
from tesk_runtime.egress.policy import EgressPolicy
from tesk_runtime.protected_paths import ProtectedPaths


@contextmanager
def secure_http_server(authority: Authority) -> Iterator[HttpFiles]:
    """Serve ``https://localhost:PORT`` until the end of the block."""
    issued = authority.issue("localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(issued.certificate, issued.key)
    with http_server(tls=context) as server:
        server.url = server.url.replace("127.0.0.1", "localhost")
        server.has_ranges = True
        yield server


def trusting(
    authority: Path,
    credentials: Credentials | None = None,
    urls: UrlLists | None = None,
) -> StorageConfig:
    """Return settings of storages with which servers of ``authority`` are trusted."""
    return StorageConfig(
        timeouts=Timeouts(connect=timedelta(seconds=20), stall=timedelta(seconds=20)),
        connections=2,
        credentials=credentials or SettingCredentials(),
        egress=Egress(EgressPolicy(section="filer"), urls=urls),
        files=FileAccess(
            roots=(),
            read_roots=(),
            shared_prefix="",
            shared_path="",
            protected=ProtectedPaths,
        ),
        http=HttpOptions(authorities=str(authority)),
    )
