"""Renders the references of an executor's pod: claims, mounts, and their check.

A reference is mounted by subPath. The kubelet makes a subPath that does not exist, as an
empty directory in the administrator's claim, and follows a link of it to anywhere in
the claim. So an init container, the launcher alone, sees the whole claims and checks
both before the kubelet mounts; the executor never sees more than its inputs name.
"""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from tesk_kubernetes.api import JsonObject
from tesk_kubernetes.settings import ReferenceClaim
from tesk_kubernetes.templates import literal
from tesk_model.paths import OWN_FOLDER
from tesk_model.reasons import ReasonCode
from tesk_taskmaster.adapters.kubernetes.manifests.pod import (
    REPORT,
    TERMINATION_MESSAGE,
)
from tesk_taskmaster.adapters.launcher_options import (
    LAUNCHER_TARGET,
    REFERENCE_CHECK,
)
from tesk_taskmaster.domain.plan import ExecutorStep
from tesk_taskmaster.domain.references import Reference
from tesk_taskmaster.ports import StepFailedError

_FOLDER = f"{OWN_FOLDER}/references"
_COPIED = ("imagePullPolicy", "securityContext")
# Not devices: a GPU has no part in this.
_RESOURCES = ("cpu", "memory", "ephemeral-storage")


@dataclass(frozen=True, slots=True)
class ReferenceParts:
    """The parts of an executor's pod for its references; nothing if it has none."""

    _step: ExecutorStep
    _claims: Mapping[str, ReferenceClaim]
    _volumes: Mapping[str, str]
    _given: AbstractSet[str]

    @classmethod
    def of(
        cls,
        step: ExecutorStep,
        configured: Mapping[str, ReferenceClaim],
        given: Iterable[JsonObject] = (),
    ) -> "ReferenceParts":
        """Return the parts.

        Args:
            step: The executor.
            configured: Claims by name of a reference.
            given: Volumes of the pod template. One of the same claim is used: a pod
                with two volumes of one claim never starts.

        Raises:
            StepFailedError: A reference is not configured (any more).
        """
        claims: dict[str, ReferenceClaim] = {}
        for reference in step.references:
            name = reference.source.name
            if name not in configured:
                raise StepFailedError(
                    f"{reference.title}: this cluster has no such reference (any more)",
                    code=ReasonCode.TRANSFER_FAILED,
                )
            claims[name] = configured[name]
        there = {claim_of(volume): str(volume["name"]) for volume in given}
        names = dict.fromkeys(claims[name].claim for name in sorted(claims))
        volumes = {
            claim: there.get(claim, f"tesk-reference-{at}")
            for at, claim in enumerate(names)
        }
        return cls(step, claims, volumes, there.keys())

    @property
    def volumes(self) -> Sequence[JsonObject]:
        """Volumes of the pod: one for each claim that the template does not have.

        Read-only as a whole, so that the kubelet does not change owners in it.
        """
        return [
            {
                "name": name,
                "persistentVolumeClaim": {"claimName": claim, "readOnly": True},
            }
            for claim, name in self._volumes.items()
            if claim not in self._given
        ]

    @property
    def mounts(self) -> Sequence[JsonObject]:
        """Mounts of the executor's container, outer ones first."""
        return [self._mount(reference) for reference in self._step.references]

    def checks(
        self, main: JsonObject, resources: JsonObject, launcher: JsonObject
    ) -> Sequence[JsonObject]:
        """Return the init container that checks the references, if there are any.

        Args:
            main: The container of the template, whose rights it gets.
            resources: Of the executor: no more is requested for the pod than without.
            launcher: Mount of the launcher.
        """
        if not self._step.references:
            return []
        arguments = [
            part for each in self._step.references for part in self._requirement(each)
        ]
        return [
            {
                "name": REFERENCE_CHECK,
                "image": self._step.executor.image,
                "command": [LAUNCHER_TARGET],
                "args": [
                    literal(part) for part in [*arguments, *REPORT, "--", "check"]
                ],
                **{key: main[key] for key in _COPIED if key in main},
                "resources": {
                    kind: {
                        name: amount
                        for name, amount in (resources.get(kind) or {}).items()
                        if name in _RESOURCES
                    }
                    for kind in ("requests", "limits")
                },
                "volumeMounts": [
                    launcher,
                    *(
                        {
                            "name": volume,
                            "mountPath": f"{_FOLDER}/{volume}",
                            "readOnly": True,
                        }
                        for volume in self._volumes.values()
                    ),
                ],
                "terminationMessagePath": TERMINATION_MESSAGE,
                "terminationMessagePolicy": "FallbackToLogsOnError",
            }
        ]

    def _mount(self, reference: Reference) -> JsonObject:
        claim = self._claims[reference.source.name]
        below = "/".join(
            part for part in (claim.sub_path.strip("/"), reference.source.path) if part
        )
        return {
            "name": self._volumes[claim.claim],
            "mountPath": reference.path,
            "readOnly": True,
            **({"subPath": below} if below else {}),
        }

    def _requirement(self, reference: Reference) -> Sequence[str]:
        claim = self._claims[reference.source.name]
        root = f"{_FOLDER}/{self._volumes[claim.claim]}/{claim.sub_path}".rstrip("/")
        path = reference.source.path
        return ("--require", reference.kind, root, path, reference.title)


def claim_of(volume: JsonObject) -> str:
    """Return the claim of a volume; "" if it has none."""
    return str((volume.get("persistentVolumeClaim") or {}).get("claimName", ""))
