"""Finds the error messages that kubelets send as log, with status 200."""

import re

from tesk_taskmaster.adapters.stream_tails import StreamTails

# Instead of a log.
_ALONE = re.compile(
    rb"\A(unable to retrieve container logs for \w+://\w+\s*|"
    rb"failed to (try resolving symlinks in path|open log file) "
    rb'"/[^"\n]+/[^"\n/]+/\d+\.log[^\n]*\s*)\Z'
)
# After what was followed, if the container is removed: by containerd, by CRI-O.
_AT_END = re.compile(
    rb"rpc error: code = \w+ desc = [^\n]{0,200}\bcontainer \"[0-9a-f]{64}\"[^\n]{0,300}\Z"
)


def cut_kubelet_error(kept: StreamTails) -> str:
    """Take the message off the end of a log, and return it; "" if it has none."""
    for pattern in (_AT_END, _ALONE):
        found = kept.cut(pattern)
        if found:
            return found.decode(errors="replace").strip()
    return ""
