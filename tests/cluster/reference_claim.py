"""A claim with the reference data of the scenarios, in a task namespace."""

import shlex
from pathlib import PurePosixPath

from cluster.kube import Kube, Object
from cluster.values import Values
from programs.waiting import eventually
from scenarios import references

CLAIM = "e2e-reference"
_FOLDER = "sets/e2e"
_WRITER = "e2e-reference-writer"


def reference_values() -> Values:
    """Return the values that offer the reference."""
    return {"references": {references.NAME: {"claim": CLAIM, "subPath": _FOLDER}}}


def reference_claim(namespace: str) -> Object:
    """Return the claim, which is empty."""
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": CLAIM, "namespace": namespace},
        "spec": {
            "accessModes": ["ReadWriteMany"],
            "resources": {"requests": {"storage": "10Mi"}},
        },
    }


def fill_reference(kube: Kube, namespace: str) -> None:
    """Write the files and links of the reference, by a pod that is gone afterwards."""
    kube.apply(_writer(namespace))

    def has_ended() -> bool:
        pod = kube.get("pods", namespace, _WRITER)
        return pod is not None and pod["status"].get("phase") == "Succeeded"

    eventually(has_ended, within=120, every=0.3, what="the reference's files")
    kube.delete("pods", namespace, _WRITER)


def _writer(namespace: str) -> Object:
    script = ["set -e", f"mkdir -p /claim/{_FOLDER}", f"cd /claim/{_FOLDER}"]
    script.append("echo secret > ../x")
    for name, data in references.FILES.items():
        script.append(f"mkdir -p {shlex.quote(str(PurePosixPath(name).parent))}")
        script.append(f"printf %s {shlex.quote(data.decode())} > {shlex.quote(name)}")
    for name, target in references.LINKS.items():
        script.append(f"ln -s {shlex.quote(target)} {shlex.quote(name)}")
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": _WRITER, "namespace": namespace},
        "spec": {
            "restartPolicy": "Never",
            "containers": [
                {
                    "name": "main",
                    "image": "busybox",
                    "imagePullPolicy": "IfNotPresent",
                    "command": ["sh", "-c", "\n".join(script)],
                    "volumeMounts": [{"name": "claim", "mountPath": "/claim"}],
                }
            ],
            "volumes": [
                {"name": "claim", "persistentVolumeClaim": {"claimName": CLAIM}}
            ],
        },
    }
