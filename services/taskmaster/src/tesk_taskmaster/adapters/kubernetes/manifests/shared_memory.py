"""Gives each executor of a pod a ``/dev/shm`` of its own, as it has in a pod of its own.

Runtimes give one to all containers of a pod: what a step leaves there would be seen by
the next, and be counted to it.
"""

from collections.abc import Iterable, Sequence

from tesk_kubernetes.api import JsonObject

_PATH = "/dev/shm"  # noqa: S108  # of a container, where programs expect it
# As container runtimes give to a pod. It counts as memory of who writes there.
_SIZE = "64Mi"


def shared_memory(
    step: str, mounts: Iterable[JsonObject]
) -> tuple[list[JsonObject], list[JsonObject], Sequence[str]]:
    """Return mounts, volumes and options of the launcher; none if a mount is there.

    Args:
        step: Its name, by which its volume is named.
        mounts: Of its container: those of the task and of the template.
    """
    if any(str(mount["mountPath"]).rstrip("/") == _PATH for mount in mounts):
        return [], [], ()
    name = f"tesk-shm-{step}"
    volume = {"name": name, "emptyDir": {"medium": "Memory", "sizeLimit": _SIZE}}
    # It lasts as long as the pod: its memory would be taken from the next step.
    return [{"name": name, "mountPath": _PATH}], [volume], ("--clear", _PATH)
