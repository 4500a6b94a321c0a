"""Finds out that a pod was ended because the task wrote more than it asked for.

Another attempt would end likewise, so it is the task's failure. A node that is short of
disk for other reasons is not.
"""

import re
from dataclasses import replace

from tesk_kubernetes.api import JsonObject
from tesk_model.reasons import ReasonCode
from tesk_taskmaster.adapters.kubernetes.status.failure_table import shorten
from tesk_taskmaster.adapters.kubernetes.status.observations import Ended, Snapshot

_EVICTED = "Evicted"
# Of the kubelet, which has no code for it; the volume is that of the task.
_OVER = re.compile(
    r'EmptyDir volume "tesk-volume" exceeds the limit|'
    r"ephemeral local storage usage exceeds the total limit|"
    r"exceeded its local ephemeral storage limit"
)


def judge_disk(snapshot: Snapshot, ended: Ended) -> Ended:
    """Return the end of a step, for good if its pod had too little disk."""
    if not ended.result.lost or not _is_over(snapshot.pod):
        return ended
    cause = shorten((snapshot.pod or {})["status"].get("message", ""))
    return replace(
        ended,
        result=replace(
            ended.result,
            error=f"{snapshot.subject.name}: the files of the task are more than its "
            f"resources.disk_gb: {cause}",
            code=ReasonCode.DISK_FULL,
            lost=False,
        ),
    )


def _is_over(pod: JsonObject | None) -> bool:
    status = (pod or {}).get("status") or {}
    return status.get("reason") == _EVICTED and bool(
        _OVER.search(str(status.get("message", "")))
    )
