"""Reads a quota from the text of a file, or tells all that is wrong with it."""

from tesk_runtime.document_loading import load_document
from tesk_scheduler.quota_config.settings import QuotaSettings


def load_quota(text: str) -> QuotaSettings:
    """Return the quota that a YAML document holds, directly or below ``quota``.

    Raises:
        InvalidDocumentError: With all that is wrong.
    """
    return load_document(
        text,
        QuotaSettings,
        section="quota",
        empty="sets no limits",
        reserved="file",
    )
