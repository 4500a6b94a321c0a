"""Finds out that a pod was ended because the task wrote more than it asked for.

Another attempt would end likewise, so it is the task's failure. A node that is short of
disk for other reasons is not.
"""

import re
from dataclasses import replace

from tesk_model.reasons import ReasonCode
from tesk_taskmaster.adapters.kubernetes.status.failure_table import shorten
from tesk_taskmaster.adapters.kubernetes.status.observations import Ended, Snapshot

_EVICTED = "Evicted"
# Of the kubelet, which has no code for them; the volumes are those of the task's pod.
_OVER = {
    "the files of the task are more than its resources.disk_gb": re.compile(
        r'EmptyDir volume "tesk-volume" exceeds the limit|'
        r"ephemeral local storage usage exceeds the total limit|"
        r"exceeded its local ephemeral storage limit"
    ),
    "a command filled a folder below /.tesk, which is not for files of the task": (
        re.compile(r'EmptyDir volume "tesk-turns" exceeds the limit')
    ),
}


def judge_disk(snapshot: Snapshot, ended: Ended) -> Ended:
    """Return the end of a step, for good if its pod had too little disk."""
    status = (snapshot.pod or {}).get("status") or {}
    if not ended.result.lost or status.get("reason") != _EVICTED:
        return ended
    message = str(status.get("message", ""))
    for fault, pattern in _OVER.items():
        if pattern.search(message):
            error = f"{snapshot.subject.name}: {fault}: {shorten(message)}"
            code = ReasonCode.DISK_FULL
            result = replace(ended.result, error=error, code=code, lost=False)
            return replace(ended, result=result)
    return ended
