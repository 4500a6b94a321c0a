"""A server that is a Python program of one file, in a pod of its own with a Service."""

from pathlib import Path

from cluster.kube import Object
from cluster.once_ready import once_ready


def python_server(
    name: str, namespace: str, image: str, program: Path, *, port: int, ready: str
) -> list[Object]:
    """Return its manifests.

    Args:
        name: Of all its objects, and the label ``app`` of the pod.
        namespace: Where it is.
        image: With Python in ``/app``.
        program: Needs nothing but Python.
        port: Where it listens.
        ready: Path that is answered once it serves.
    """
    meta = {"name": name, "namespace": namespace, "labels": {"app": name}}
    container: Object = {
        "name": "main",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["/app/bin/python", "-u", f"/program/{program.name}"],
        "volumeMounts": [{"name": "program", "mountPath": "/program"}],
        **once_ready(httpGet={"path": ready, "port": port}),
    }
    return [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": meta,
            "data": {program.name: program.read_text()},
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": meta,
            "spec": {"selector": {"app": name}, "ports": [{"port": port}]},
        },
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": meta,
            "spec": {
                "terminationGracePeriodSeconds": 0,
                "containers": [container],
                "volumes": [{"name": "program", "configMap": {"name": name}}],
            },
        },
    ]
