"""Lets the targets of webhooks be what a file holds, while the scheduler runs."""

import logging
from collections.abc import Callable
from pathlib import Path

from prometheus_client import CollectorRegistry

from tesk_runtime.document_loading import InvalidDocumentError
from tesk_runtime.document_problems import DocumentProblem
from tesk_scheduler.adapters.followed_file import FollowedFile, FollowedName
from tesk_scheduler.adapters.webhooks.signing import SecretFiles
from tesk_scheduler.domain.webhooks.targets import Targets
from tesk_scheduler.webhook_config.targets import load_targets

_logger = logging.getLogger(__name__)
_NAME = FollowedName(
    setting="webhooks.file", subject="webhooks", metric="tesk_scheduler_webhooks"
)


class TargetsFile:
    """A ``TargetSource`` that follows a file."""

    def __init__(
        self,
        path: Path,
        *,
        secrets: SecretFiles,
        plain_http: bool,
        changed: Callable[[], None],
        registry: CollectorRegistry,
    ) -> None:
        """Read the file; ``start`` follows it.

        Args:
            path: Of the file.
            secrets: That its targets name; each must be there.
            plain_http: Whether urls by http are accepted.
            changed: Called when other targets are in force.
            registry: Of the metrics about it.

        Raises:
            ValueError: The file cannot be read, or is refused.
        """
        self._secrets = secrets
        self._plain_http = plain_http
        self._changed = changed
        self._targets = Targets()
        self._file = FollowedFile(path, self._take, name=_NAME, registry=registry)

    def current(self) -> Targets:
        """Return the last targets that were not refused."""
        return self._targets

    def start(self) -> None:
        """Follow the file, on a thread of its own."""
        self._file.start()

    def close(self) -> None:
        """Stop following."""
        self._file.close()

    def check(self) -> None:
        """Read the file; put it in force if it has changed and is not refused."""
        self._file.check()

    def _take(self, text: str) -> None:
        targets = load_targets(text, plain_http=self._plain_http)
        names = (name for target in targets.all for name in target.secrets)
        if problems := self._secrets.check(names):
            raise InvalidDocumentError([DocumentProblem("", each) for each in problems])
        self._targets = targets
        listed = [each.name for each in targets.all]
        _logger.info("webhooks in force", extra={"targets": listed})
        self._changed()
