"""Runs taskmasters as bare pods.

Bare, because the kubelet restarts a crashed container within a second, and because
only the scheduler knows whether a lost one is still needed. A watch reports which
are alive; a pod that was created or removed here counts at once, before the watch
reports it.
"""

from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from datetime import timedelta

from tesk_kubernetes.api import (
    PODS,
    AlreadyExistsError,
    JsonObject,
    KubernetesApi,
    KubernetesError,
)
from tesk_kubernetes.informer import Informer
from tesk_kubernetes.labels import COMPONENT, INSTANCE, TASKMASTER, selector
from tesk_kubernetes.names import namespace_of
from tesk_kubernetes.templates import TemplateError
from tesk_scheduler.adapters.kubernetes.manifests import (
    Owner,
    pod_name,
    render_taskmaster,
)
from tesk_scheduler.adapters.kubernetes.pod_cache import TaskmasterPodCache
from tesk_scheduler.adapters.kubernetes.pod_parts import TaskmasterPodParts
from tesk_scheduler.adapters.kubernetes.pod_warnings import PodWarnings
from tesk_scheduler.adapters.kubernetes.pods import Liveness, PodStatus, pod_status
from tesk_scheduler.ports.environment import Clock
from tesk_scheduler.ports.launcher import LaunchError

_NO_GRACE = timedelta(0)
# Seconds: many start at once, and the leader waits for each call.
_OWNERS_VALID_FOR = 5.0


class PodLauncher:
    """See ``TaskmasterLauncher``."""

    def __init__(
        self,
        api: KubernetesApi,
        parts: TaskmasterPodParts,
        *,
        clock: Clock,
        changed: Callable[[], None],
    ) -> None:
        """Start to watch.

        Args:
            api: Of the cluster.
            parts: What pods of taskmasters need.
            clock: Limits how often owners and events are read.
            changed: Called, on another thread, when a pod changed.
        """
        self._api = api
        self._parts = parts
        self._clock = clock
        self._pods = TaskmasterPodCache()
        self._known_owners: Mapping[str, Owner] = {}
        self._refresh_owners_at = 0.0
        self._warnings = PodWarnings(api, clock)
        self._notify = changed
        self._revision = ""
        settings = parts.settings
        labels = {COMPONENT: "taskmaster", INSTANCE: settings.instance}
        self._informers = [
            Informer(
                api,
                PODS,
                namespace,
                selector(labels),
                prune=pod_status,
                on_change=self._changed,
            )
            for namespace in parts.namespaces
        ]
        for informer in self._informers:
            informer.start()

    def close(self) -> None:
        """Stop watching; taskmasters go on."""
        for informer in self._informers:
            informer.close()

    def wait_known(self, timeout: timedelta) -> bool:
        """Wait until pods are listed; return False if they are not."""
        return all(each.wait_synced(timeout) for each in self._informers)

    def revision(self) -> str:
        """Read the template, which an upgrade changes; on failure keep the last."""
        with suppress(OSError):
            self._revision = self._parts.revision()
        return self._revision

    def launch(self, taskmaster_id: str) -> None:
        """Create a pod, unless it exists."""
        name = pod_name(taskmaster_id)
        known = self._pods.get(name)
        if known is not None and known.liveness is Liveness.ALIVE:
            return
        namespace = namespace_of(taskmaster_id, self._parts.namespaces)
        try:
            parameters = self._parts.parameters(namespace, self._owners())
            manifest = render_taskmaster(
                self._parts.template(), taskmaster_id, parameters
            )
            with self._pods.expecting(name, taskmaster_id, namespace) as made:
                made(pod_status(self._create(manifest)))
        except (KubernetesError, TemplateError, OSError) as error:
            raise LaunchError(str(error)) from error

    def alive(self) -> Collection[str]:
        """List those whose pods exist and are not terminating."""
        if not self.wait_known(_NO_GRACE):
            raise LaunchError("the pods of taskmasters are not listed yet")
        return self._pods.with_liveness(Liveness.ALIVE)

    def ended(self) -> Collection[str]:
        """List those whose pods have ended but still exist."""
        return self._pods.with_liveness(Liveness.ENDED)

    def may_act(self, taskmaster_id: str) -> bool:
        """Return False only if the kubelet reported that the pod ended."""
        status = self._pods.last(pod_name(taskmaster_id))
        return status is None or status.liveness is not Liveness.ENDED

    def was_disrupted(self, taskmaster_id: str) -> bool:
        """Return what the condition of its pod, or of its former pod, says."""
        status = self._pods.last(pod_name(taskmaster_id))
        return status is not None and status.is_disrupted

    def kill(self, taskmaster_id: str) -> None:
        """Delete the pod's object without waiting for its node."""
        name = pod_name(taskmaster_id)
        status = self._pods.get(name)
        if status is None:
            status = self._read_pod(taskmaster_id)
        if status is None:
            return
        try:
            self._api.delete(
                PODS, status.namespace, name, uid=status.uid, grace=_NO_GRACE
            )
        except KubernetesError as error:
            raise LaunchError(str(error)) from error
        self._pods.remove(name, status)

    def status_message(self, taskmaster_id: str) -> str:
        """Return the message of the pod; of a silent one, that of its events."""
        status = self._pods.last(pod_name(taskmaster_id))
        if status is None:
            return ""
        return status.message or self._warnings.latest(status)

    def _owners(self) -> Mapping[str, Owner]:
        now = self._clock.monotonic()
        if now >= self._refresh_owners_at:
            self._known_owners = self._parts.ensure(self._api)
            self._refresh_owners_at = now + _OWNERS_VALID_FOR
        return self._known_owners

    def _create(self, manifest: JsonObject) -> JsonObject:
        metadata = manifest["metadata"]
        try:
            return self._api.create(PODS, metadata["namespace"], manifest)
        except AlreadyExistsError as error:
            found = self._api.get(PODS, metadata["namespace"], metadata["name"])
            problem = _conflict_with(found, manifest)
            if problem or found is None:
                message = f"pod {metadata['name']} already exists and {problem}"
                raise LaunchError(message) from error
            return found

    def _read_pod(self, taskmaster_id: str) -> PodStatus | None:
        """Read a pod that the watch does not know; it may be late."""
        namespace = namespace_of(taskmaster_id, self._parts.namespaces)
        try:
            found = self._api.get(PODS, namespace, pod_name(taskmaster_id))
        except KubernetesError as error:
            raise LaunchError(str(error)) from error
        if found is None or pod_status(found).taskmaster != taskmaster_id:
            return None
        return pod_status(found)

    def _changed(self, name: str, status: PodStatus | None) -> None:
        if self._pods.update(name, status):
            self._notify()


def _conflict_with(found: JsonObject | None, manifest: JsonObject) -> str:
    """Return why a pod is not the one of ``manifest``; "" if it is."""
    if found is None:
        return "is being deleted"
    labels = found["metadata"].get("labels") or {}
    wanted = manifest["metadata"]["labels"]
    if any(labels.get(key) != wanted[key] for key in (TASKMASTER, INSTANCE, COMPONENT)):
        return "is not TESK's"
    if pod_status(found).liveness is not Liveness.ALIVE:
        return "has ended"
    return ""
