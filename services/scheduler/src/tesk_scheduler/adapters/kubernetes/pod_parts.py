"""Provides what pods of taskmasters need: owners, the launcher, the pod template.

All of it is read again and again, because it may change while the scheduler runs:
a recreated owner has another uid, and a pod with the uid of the old one is garbage
collected.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tesk_kubernetes.api import (
    CONFIG_MAPS,
    AlreadyExistsError,
    JsonObject,
    KubernetesApi,
    RefusedError,
)
from tesk_kubernetes.pods import is_terminating
from tesk_kubernetes.settings import KubernetesSettings
from tesk_kubernetes.templates import load_pod_template
from tesk_scheduler.adapters.kubernetes.manifests import (
    Owner,
    TaskmasterPodParameters,
    launcher_name,
    render_launcher,
    revision_of,
)

_TEMPLATE = "taskmaster-pod.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskmasterPodParts:
    """Reads owners and template, and creates the launcher's ConfigMaps.

    Attributes:
        namespaces: All task namespaces; at least one.
        launcher: The launcher's binary.
    """

    settings: KubernetesSettings
    namespaces: Sequence[str]
    launcher: bytes

    def template(self) -> JsonObject:
        """Read the template of taskmasters' pods.

        Raises:
            TemplateError: It cannot be used.
        """
        return load_pod_template(self._template_file)

    def revision(self) -> str:
        """Return the hash of all that a taskmaster would be started from now.

        Raises:
            OSError: The template cannot be read.
        """
        return revision_of(self._template_file.read_bytes(), self.launcher)

    @property
    def _template_file(self) -> Path:
        return Path(self.settings.templates) / _TEMPLATE

    def ensure(self, api: KubernetesApi) -> Mapping[str, Owner]:
        """Create what is missing in all task namespaces: each taskmaster uses all.

        Returns:
            The owner of each namespace's objects.

        Raises:
            KubernetesError: The API server fails or refuses.
        """
        owners = {each: self._owner(api, each) for each in self.namespaces}
        for each in owners:
            self._ensure_launcher(api, each, owners)
        return owners

    def parameters(
        self, namespace: str, owners: Mapping[str, Owner]
    ) -> TaskmasterPodParameters:
        """Return the parameters of a taskmaster's pod in ``namespace``."""
        return TaskmasterPodParameters(
            instance=self.settings.instance,
            namespace=namespace,
            owners=owners,
            launcher=launcher_name(self.launcher, owners),
            revision=self.revision(),
        )

    def _owner(self, api: KubernetesApi, namespace: str) -> Owner:
        name = self.settings.owner
        if not name:
            return Owner(name="", uid="")
        found = api.get(CONFIG_MAPS, namespace, name)
        if found is None or is_terminating(found):
            message = (
                f"ConfigMap {name} is not in namespace {namespace}; install it again"
            )
            raise RefusedError(message)
        return Owner(name=name, uid=found["metadata"]["uid"])

    def _ensure_launcher(
        self, api: KubernetesApi, namespace: str, owners: Mapping[str, Owner]
    ) -> None:
        body = render_launcher(
            self.launcher,
            instance=self.settings.instance,
            namespace=namespace,
            owners=owners,
        )
        # Not read first: that would take the right to read all ConfigMaps.
        with suppress(AlreadyExistsError):
            api.create(CONFIG_MAPS, namespace, body)
