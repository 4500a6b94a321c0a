"""What a test needs of its machine: without it, it is skipped and says so."""

import os
import signal
from collections.abc import Generator

import hypothesis
import pytest

from tesk_model.errors import UnavailableError
from tesk_runtime import process_memory

NO_CLUSTER = "KUBECONFIG names no Kubernetes cluster"


def pytest_configure() -> None:
    """Let children end by Ctrl-C, clean up on SIGTERM, and let a property take its time.

    A shell starts a background job with SIGINT ignored, and that is inherited. By
    SIGTERM CI ends a job: fixtures must still remove their containers.
    An example that takes long on a busy machine says nothing of the rule.
    """
    # Its handlers run in each child that is not made by vfork, as those of other
    # users are not, and may crash there before the program is started.
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
    hypothesis.settings.register_profile("tesk", deadline=None)
    hypothesis.settings.load_profile("tesk")
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Leave what collecting makes, some hundred MiB, to no collection of garbage."""
    with process_memory.importing():
        return (yield)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip tests of an engine or a cluster where there is none."""
    marked = {
        name: [item for item in items if item.get_closest_marker(name)]
        for name in ("engine", "cluster")
    }
    if marked["engine"] and (problem := _engine_problem()):
        for item in marked["engine"]:
            item.add_marker(pytest.mark.skip(reason=problem))
    if not os.environ.get("KUBECONFIG"):
        for item in marked["cluster"]:
            item.add_marker(pytest.mark.skip(reason=NO_CLUSTER))


def _engine_problem() -> str:
    from tesk_taskmaster.adapters.container.discovery import (  # noqa: PLC0415 - its SDK loads slowly, and most tests need none
        find_engine,
    )

    try:
        client, _ = find_engine(os.environ)
    except UnavailableError as error:
        return str(error)
    client.close()
    return ""
