"""Builds what checks of tasks need, in the process that serves them."""

from datetime import timedelta

from tesk_api.adapters.fair_semaphore import FairSemaphore
from tesk_api.adapters.storage_client import StorageClient
from tesk_api.config import Settings
from tesk_api.ports import NoStorage, Semaphore, StorageGateway
from tesk_runtime.rpc.channel import open_channel
from tesk_runtime.rpc.tls import channel_credentials

# Longer than the storage service lets a check take.
_STORAGE_TIMEOUT = timedelta(seconds=40)
_SLOT_TIMEOUT = timedelta(seconds=2)


def open_checks(settings: Settings, token: str) -> tuple[StorageGateway, Semaphore]:
    """Return what looks at storages, and the bound of checks at once."""
    # A check may hold its thread for long: most stay free for other requests.
    few = max(1, settings.api.threads // 4)
    slots = FairSemaphore(
        capacity=few,
        max_waiting=few,
        timeout=_SLOT_TIMEOUT,
        message="too many tasks are being checked; try again later",
    )
    if not settings.grpc.storage:
        return NoStorage(), slots
    channel = open_channel(
        settings.grpc.storage,
        token=token,
        credentials=channel_credentials(settings.grpc),
    )
    return StorageClient(channel, timeout=_STORAGE_TIMEOUT), slots
