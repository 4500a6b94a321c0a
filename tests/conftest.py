"""What a test needs of its machine: without it, it is skipped and says so."""

import os
import signal

import pytest

from tesk_cli.adapters.container_engine import NO_ENGINE, engine_answers

NO_CLUSTER = "KUBECONFIG names no Kubernetes cluster"


def pytest_configure() -> None:
    """Let children end by Ctrl-C, even if the tests run in the background.

    A shell starts a background job with SIGINT ignored, and that is inherited.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip tests of an engine or a cluster where there is none."""
    marked = {
        name: [item for item in items if item.get_closest_marker(name)]
        for name in ("engine", "cluster")
    }
    if marked["engine"] and not engine_answers(os.environ):
        for item in marked["engine"]:
            item.add_marker(pytest.mark.skip(reason=NO_ENGINE))
    if not os.environ.get("KUBECONFIG"):
        for item in marked["cluster"]:
            item.add_marker(pytest.mark.skip(reason=NO_CLUSTER))
