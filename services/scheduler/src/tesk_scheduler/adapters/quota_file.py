"""Lets the quota be what a file holds, while the scheduler runs."""

import logging
from collections.abc import Callable
from pathlib import Path

from prometheus_client import CollectorRegistry

from tesk_scheduler.adapters.followed_file import FollowedFile, FollowedName
from tesk_scheduler.domain.quota import Limit, Quota
from tesk_scheduler.domain.quota_warnings import quota_warnings
from tesk_scheduler.quota_config.changes import difference
from tesk_scheduler.quota_config.conversion import quota_from_settings
from tesk_scheduler.quota_config.loading import load_quota
from tesk_scheduler.quota_config.settings import QuotaSettings

_logger = logging.getLogger(__name__)
_MOST_CHANGES = 100
_NAME = FollowedName(
    setting="quota.file", subject="quota", metric="tesk_scheduler_quota"
)


class QuotaFile:
    """A ``QuotaSource`` that follows a file."""

    def __init__(
        self,
        path: Path,
        *,
        machine_capacity: Limit,
        changed: Callable[[], None],
        registry: CollectorRegistry,
    ) -> None:
        """Read the file; ``start`` follows it.

        Args:
            path: Of the file.
            machine_capacity: See ``quota_from_settings``.
            changed: Called when another quota is in force.
            registry: Of the metrics about it.

        Raises:
            ValueError: The file cannot be read, or is refused.
        """
        self._machine_capacity = machine_capacity
        self._changed = changed
        self._in_force: tuple[QuotaSettings, Quota] | None = None
        self._file = FollowedFile(path, self._take, name=_NAME, registry=registry)

    def current(self) -> Quota:
        """Return the last quota that was not refused."""
        return self._present()[1]

    def settings(self) -> QuotaSettings:
        """Return the settings of the last quota that was not refused."""
        return self._present()[0]

    def start(self) -> None:
        """Follow the file, on a thread of its own."""
        self._file.start()

    def close(self) -> None:
        """Stop following."""
        self._file.close()

    def check(self) -> None:
        """Read the file; put it in force if it has changed and is not refused."""
        self._file.check()

    def _present(self) -> tuple[QuotaSettings, Quota]:
        if self._in_force is None:
            raise AssertionError("nothing was read")
        return self._in_force

    def _take(self, text: str) -> None:
        settings = load_quota(text)
        quota = quota_from_settings(settings, self._machine_capacity)
        if warnings := quota_warnings(quota):
            _logger.warning("quota is doubtful", extra={"problems": warnings})
        before, self._in_force = self._in_force, (settings, quota)
        if before is not None:
            changes = [str(each) for each in difference(before[0], settings)]
            _logger.info("quota changed", extra={"changes": changes[:_MOST_CHANGES]})
            self._changed()
