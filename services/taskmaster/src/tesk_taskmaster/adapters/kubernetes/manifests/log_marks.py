"""The marks of the launcher in the log of an executor's pod: see its README."""

from collections.abc import Mapping, Sequence

from tesk_kubernetes.labels import LOG

STDERR_MARK = "\x02err\x02"
STDOUT_MARK = "\x02out\x02"
RETURN_MARK = "\x02cr\x02"
MORE_MARK = "\x02more\x02"
END_MARK = "\x02end\x02"

MARK_OPTIONS: Sequence[str] = (
    *("--mark-stderr", STDERR_MARK, "--mark-stdout", STDOUT_MARK),
    *("--mark-returns", RETURN_MARK, "--mark-more", MORE_MARK),
    *("--mark-end", END_MARK),
)
"""Of the launcher, for a log whose lines are in pieces."""

LOG_LABELS: Mapping[str, str] = {LOG: "pieces"}
"""Of a pod with such logs. Pods of the release before have none, and are told by that."""


def has_pieces(labels: Mapping[str, str]) -> bool:
    """Tell by the labels of a pod whether its logs are in pieces."""
    return labels.get(LOG) == LOG_LABELS[LOG]
