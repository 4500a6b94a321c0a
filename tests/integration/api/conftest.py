"""The REST API on a scheduler in memory."""

import pytest
from werkzeug.test import Client

from fakes.api_scheduler import MemoryScheduler
from fakes.api_server import make_client


@pytest.fixture
def scheduler() -> MemoryScheduler:
    return MemoryScheduler()


@pytest.fixture
def client(scheduler: MemoryScheduler) -> Client:
    return make_client(scheduler)
