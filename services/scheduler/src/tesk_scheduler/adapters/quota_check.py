"""Compares the text of a quota with the one in force, for operators."""

from collections.abc import Callable
from dataclasses import dataclass

from tesk_runtime.document_loading import InvalidDocumentError
from tesk_scheduler.domain.quota import Limit
from tesk_scheduler.domain.quota_warnings import quota_warnings
from tesk_scheduler.ports.quota import QuotaComparison
from tesk_scheduler.quota_config.changes import difference
from tesk_scheduler.quota_config.conversion import quota_from_settings
from tesk_scheduler.quota_config.loading import load_quota
from tesk_scheduler.quota_config.settings import QuotaSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class TextCheck:
    """See ``QuotaCheck``.

    Attributes:
        in_force: Returns the settings in force.
        machine_capacity: See ``quota_from_settings``.
    """

    in_force: Callable[[], QuotaSettings]
    machine_capacity: Limit

    def __call__(self, text: str) -> QuotaComparison:
        """Load it as ``QuotaFile`` does."""
        try:
            settings = load_quota(text)
        except InvalidDocumentError as error:
            return QuotaComparison(problems=tuple(map(str, error.problems)))
        quota = quota_from_settings(settings, self.machine_capacity)
        return QuotaComparison(
            changes=tuple(
                (each.path, each.before, each.after)
                for each in difference(self.in_force(), settings)
                if each.path != "file"
            ),
            warnings=tuple(quota_warnings(quota)),
        )
