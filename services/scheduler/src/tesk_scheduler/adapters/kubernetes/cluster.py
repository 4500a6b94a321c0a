"""Opens the pod launcher and the watch of nodes, from settings."""

import logging
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

from tesk_kubernetes.client import NoClusterError, open_api, task_namespaces
from tesk_kubernetes.settings import KubernetesSettings
from tesk_kubernetes.templates import TemplateError
from tesk_scheduler.adapters.kubernetes.nodes import ClusterNodes
from tesk_scheduler.adapters.kubernetes.pod_launcher import PodLauncher
from tesk_scheduler.adapters.kubernetes.pod_parts import TaskmasterPodParts
from tesk_scheduler.domain.quota import Amounts
from tesk_scheduler.ports.environment import Clock

_logger = logging.getLogger(__name__)
# The leader waits for each call, and must keep its lead meanwhile.
_RETRY_FOR = timedelta(seconds=2)
_FIRST_SYNC = timedelta(seconds=5)


def open_pod_launcher(
    settings: KubernetesSettings,
    environ: Mapping[str, str],
    *,
    clock: Clock,
    changed: Callable[[], None],
) -> PodLauncher:
    """Start to watch the taskmasters of a cluster.

    An API server that does not answer is retried in the background.

    Args:
        settings: The section.
        environ: Has the address of the cluster.
        clock: See ``PodLauncher``.
        changed: Likewise.

    Raises:
        ValueError: The address of the cluster is unknown, or the template of
            taskmasters' pods is invalid.
        OSError: The launcher of executors cannot be read.
    """
    try:
        api = open_api(environ, retry_for=_RETRY_FOR)
    except NoClusterError as error:
        raise ValueError(f"scheduler.launcher: kubernetes: {error}") from error
    parts = TaskmasterPodParts(
        settings=settings,
        namespaces=task_namespaces(settings, environ),
        launcher=Path(settings.launcher_file).read_bytes(),
    )
    try:
        parts.template()
    except TemplateError as error:
        raise ValueError(f"kubernetes.templates: {error}") from error
    launcher = PodLauncher(api, parts, clock=clock, changed=changed)
    if not launcher.wait_known(_FIRST_SYNC):
        _logger.warning("the API server does not answer yet")
    return launcher


def open_cluster(
    settings: KubernetesSettings,
    environ: Mapping[str, str],
    *,
    clock: Clock,
    changed: Callable[[], None],
    reserve: Amounts | None,
    closing: ExitStack,
) -> tuple[PodLauncher, ClusterNodes | None]:
    """Start to watch the taskmasters of a cluster, and its capacity.

    Args:
        settings: The section.
        environ: Has the address of the cluster.
        clock: See ``PodLauncher``.
        changed: Likewise, and when the capacity changes.
        reserve: See ``ClusterNodes``; None: the capacity is not watched.
        closing: Closes both.

    Raises:
        ValueError, OSError: See ``open_pod_launcher``.
    """
    launcher = open_pod_launcher(settings, environ, clock=clock, changed=changed)
    closing.callback(launcher.close)
    if reserve is None:
        return launcher, None
    api = open_api(environ, retry_for=_RETRY_FOR)
    namespaces = task_namespaces(settings, environ)
    nodes = ClusterNodes(api, settings, namespaces, reserve=reserve, changed=changed)
    closing.callback(nodes.close)
    if not nodes.wait_known(_FIRST_SYNC):
        _logger.warning("nodes are not known yet", extra={"cause": nodes.problem()})
    return launcher, nodes
