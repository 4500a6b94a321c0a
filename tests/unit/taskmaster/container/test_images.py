"""Pulls of images: progress, and which failures are permanent."""

from typing import Any

import pytest

from tesk_taskmaster.adapters.container.images import (
    PullFailedError,
    PullProgress,
    read_pull_progress,
)

DOWNLOADING = "Downloading"


def layer(status: str, name: str, current: int = 0, total: int = 0) -> dict[str, Any]:
    detail = {"current": current, "total": total} if total else {}
    return {"status": status, "id": name, "progressDetail": detail}


def test_progress_is_summed_over_layers() -> None:
    progresses: list[str] = []

    def tell(progress: PullProgress) -> None:
        progresses.append(progress.format("busybox"))

    read_pull_progress(
        [
            {"status": "Pulling from library/busybox", "id": "latest"},
            layer(DOWNLOADING, "a", 10, 100),
            layer(DOWNLOADING, "b", 60, 100),
            layer("Download complete", "a"),
            layer("Extracting", "a", 5, 100),
            {"status": "Status: Downloaded newer image"},
        ],
        tell,
    )

    assert progresses == [
        "pulling image busybox",
        *(f"pulling image busybox: {percent} %" for percent in (10, 35, 80, 80, 80)),
    ]


def test_an_error_among_the_messages_ends_the_pull() -> None:
    with pytest.raises(PullFailedError, match="manifest unknown"):
        read_pull_progress([{"error": "manifest unknown"}], lambda _: None)


FAILURES = {
    "manifest for busybox:no not found: manifest unknown": True,
    "pull access denied for x, repository does not exist": True,
    "Head https://r.io/v2/x: unauthorized: authentication required": True,
    "initializing source docker://x: registry docker.io is blocked": True,
    "normalizing name for compat API: invalid reference format": True,
    "initializing source docker://localhost/x:1: pinging container registry localhost: "
    'Get "https://localhost/v2/": dial tcp 127.0.0.1:443: connection refused': True,
    "x@sha256:0: invalid tag format": True,
    "repository name not known to registry": True,
    "tag v1 was deleted or has expired. To pull, revive via time machine": True,
    "server gave HTTP response to HTTPS client": True,
    "pinging container registry r.io: dial tcp 1.2.3.4:443: connection refused": False,
    "pinging container registry localhost:5000: connection refused": False,
    "no matching manifest for linux/arm64 in the manifest list entries": True,
    "Get https://r.io/v2/: dial tcp: lookup r.io: no such host": False,
    "net/http: TLS handshake timeout": False,
    "received unexpected HTTP status: 503 Service Unavailable": False,
    "toomanyrequests: You have reached your pull rate limit": False,
}


@pytest.mark.parametrize(("reason", "is_permanent"), FAILURES.items(), ids=FAILURES)
def test_only_temporary_failures_allow_a_new_attempt(
    reason: str, *, is_permanent: bool
) -> None:
    assert PullFailedError(reason).is_permanent is is_permanent
