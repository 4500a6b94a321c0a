"""The real storage service in this process; its checks are real processes."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import grpc

from tesk.v1 import storage_service_pb2_grpc as pb_grpc
from tesk_filer.config import Settings
from tesk_filer.storage_server import make_server
from tesk_runtime import settings
from tesk_runtime.rpc.channel import open_channel

TOKEN = "internal"


@contextmanager
def storage_service(
    folder: Path, environ: Mapping[str, str], *, token: str = TOKEN
) -> Iterator[grpc.Channel]:
    """Serve below ``folder`` until the end of the block; give a channel to it."""
    variables = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "TESK_HOME": str(folder / "home"),
        "TESK_FILER_CHECK_TIMEOUT": "30",
        **environ,
    }
    server = make_server(settings.load(Settings, variables), variables, token=TOKEN)
    address = f"unix:{folder}/s"
    server.start(address)
    try:
        with open_channel(address, token=token) as channel:
            yield channel
    finally:
        server.stop(timedelta())


def stub(channel: grpc.Channel) -> pb_grpc.StorageServiceStub:
    """Return what calls it."""
    return pb_grpc.StorageServiceStub(channel)
