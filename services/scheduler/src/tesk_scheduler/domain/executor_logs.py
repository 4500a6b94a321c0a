"""Makes the log of an executor that has ended, and says what is not kept of it."""

from tesk_model.events import ExecutorEnded
from tesk_scheduler.domain.bounds import (
    IMAGE_DIGEST_BYTES,
    KIB,
    size_of,
    stream_bytes,
    stream_tail,
)
from tesk_scheduler.domain.records import ExecutorLogChange


def log_of_end(ended: ExecutorEnded) -> ExecutorLogChange:
    """Return what changes in the log of an executor that has ended."""
    return ExecutorLogChange(
        index=ended.index,
        started_at=ended.start_time,
        ended_at=ended.end_time,
        exit_code=ended.exit_code,
        cpu_seconds=ended.cpu_seconds,
        max_memory_bytes=ended.max_memory_bytes,
        # A successor that cannot read a stream does not erase what was reported.
        stdout=stream_tail(ended.stdout, ended.index) or None,
        stderr=stream_tail(ended.stderr, ended.index) or None,
        image_digest=_whole_digest(ended.image_digest),
    )


def _whole_digest(digest: str) -> str | None:
    """Return a digest, or nothing of a long one: a part would be that of many images."""
    return digest if digest and size_of(digest) <= IMAGE_DIGEST_BYTES else None


def truncation_note(ended: ExecutorEnded) -> tuple[str, ...]:
    """Return the line that streams were truncated, if they were."""
    name, most = f"executors[{ended.index}]", stream_bytes(ended.index)
    if max(size_of(ended.stdout), size_of(ended.stderr)) <= most:
        return ()
    if not most:
        return (f"{name}: stdout and stderr are not kept of so many executors",)
    return (f"{name}: only the last {most // KIB} KiB of each stream are kept",)
