"""The way from settings to the runtime of a cluster.

Imported only where it is used: its client costs memory and start-up time.
"""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from tesk_kubernetes.client import NoClusterError, open_api, task_namespaces
from tesk_kubernetes.settings import KubernetesSettings
from tesk_kubernetes.templates import TemplateError
from tesk_taskmaster.adapters.kubernetes.manifests.rendering import load_templates
from tesk_taskmaster.adapters.kubernetes.runtime import KubernetesRuntime
from tesk_taskmaster.ports import Clock

# Who waits for a call wants to say so, and to hear of a cancel, every second.
_RETRY_FOR = timedelta(seconds=1)


def open_kubernetes_runtime(
    settings: KubernetesSettings,
    environ: Mapping[str, str],
    *,
    taskmaster: str,
    clock: Clock,
) -> KubernetesRuntime:
    """Begin to watch what this taskmaster has in its cluster.

    An API server that does not answer is waited for with the first task.

    Args:
        settings: The section.
        environ: Says where the cluster is.
        taskmaster: Id of this process.
        clock: The time.

    Raises:
        ValueError: Nothing says where the cluster is, or a pod template cannot
            be used.
    """
    try:
        api = open_api(environ, retry_for=_RETRY_FOR)
    except NoClusterError as error:
        raise ValueError(f"taskmaster.runtime: kubernetes: {error}") from error
    try:
        templates = load_templates(Path(settings.templates))
    except TemplateError as error:
        raise ValueError(f"kubernetes.templates: {error}") from error
    runtime = KubernetesRuntime(
        api,
        taskmaster=taskmaster,
        namespaces=task_namespaces(settings, environ),
        settings=settings,
        templates=templates,
        clock=clock,
    )
    runtime.open()
    return runtime
