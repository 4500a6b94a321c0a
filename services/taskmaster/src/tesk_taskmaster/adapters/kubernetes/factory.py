"""Opens the runtime of a cluster from the settings.

Imported only where it is used: its client costs memory and start-up time.
"""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from tesk_kubernetes.client import NoClusterError, open_api, task_namespaces
from tesk_kubernetes.settings import KubernetesSettings
from tesk_kubernetes.templates import TemplateError
from tesk_model.upload_retries import UploadRetries
from tesk_taskmaster.adapters.kubernetes.control.layouts import Layouts
from tesk_taskmaster.adapters.kubernetes.manifests.templates import (
    load_templates,
)
from tesk_taskmaster.adapters.kubernetes.runtime import KubernetesRuntime
from tesk_taskmaster.domain.layouts import LayoutOffer
from tesk_taskmaster.ports import Clock

# Callers report a wait, and check for a cancel, every second.
_RETRY_FOR = timedelta(seconds=1)
_RESOLVER = Path("/etc/resolv.conf")


def open_kubernetes_runtime(
    settings: KubernetesSettings,
    environ: Mapping[str, str],
    *,
    taskmaster: str,
    offer: LayoutOffer,
    uploads: UploadRetries,
    clock: Clock,
) -> KubernetesRuntime:
    """Open the runtime and begin to watch the objects of this taskmaster.

    If the API server does not answer, the first task waits for it.

    Args:
        settings: The section.
        environ: With the address of the cluster.
        taskmaster: Id of this process.
        offer: How the steps of attempts can lie, as the settings have it.
        uploads: How often filers in pods of several steps try to upload.
        clock: The time.

    Raises:
        ValueError: The address of the cluster is unknown, or a pod template is
            invalid.
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
        layouts=Layouts.of(templates, offer, uploads, resolver=_resolver(environ)),
        clock=clock,
    )
    runtime.open()
    return runtime


def _resolver(environ: Mapping[str, str]) -> str:
    """Return how names are resolved in pods; "" outside of the cluster."""
    if environ.get("KUBECONFIG"):
        return ""
    return _RESOLVER.read_text(encoding="utf-8")
