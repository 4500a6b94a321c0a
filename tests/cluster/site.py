"""A release as larger sites have it: PostgreSQL, webhooks, storage checks.

Two schedulers, one of which leads, tell a receiver in the cluster of all tasks, by a rule
of the chart's NetworkPolicy of its own; two other receivers may not be told.
"""

import base64
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cluster.database import SECRET, database_in, database_secret
from cluster.kube import Object
from cluster.release import NAME, Release, component_label, installed
from cluster.service_access import access_service
from cluster.session import Session
from cluster.values import SMALL, merged
from cluster.webhook_receiver import (
    PORT,
    RECEIVER,
    WEBHOOKS,
    WebhookReceiver,
    address_of,
    webhook_receiver_in,
    webhooks_secret,
)

_SHARED = "e2e-shared"


@dataclass(frozen=True, slots=True)
class Site:
    """The release, and who is told of its tasks."""

    release: Release
    receiver: WebhookReceiver


@contextmanager
def site_in(session: Session, postgres_image: str) -> Iterator[Site]:
    """Install it; ready at the beginning of the block."""
    namespace = f"{session.name}-postgresql"
    servers = f"{session.name}-servers"
    storage = address_of(session.kube, servers, "s3")
    with (
        database_in(session.kube, servers, postgres_image) as url,
        webhook_receiver_in(
            session.kube, servers, f"tesk-filer:{session.tag}"
        ) as receiver,
        installed(
            session.kube,
            namespace,
            merged(session.values(), _values(servers, receiver.address, storage)),
            [
                database_secret(namespace, url),
                webhooks_secret(namespace, _receivers(session, receiver)),
                _claim(namespace),
            ],
        ) as release,
    ):
        release.connect()
        release.kube.wait_for_pods(namespace, component_label("storage-checks"))
        yield Site(release, receiver)


def _values(servers: str, *addresses: str) -> dict[str, Any]:
    return {
        "database": {"type": "postgresql", "postgresql": {"existingSecret": SECRET}},
        "scheduler": {"replicas": 2},
        "api": {"replicas": 1},
        "storage": {"shared": {"claim": _SHARED}},
        "storageChecks": {"enabled": True, "resources": SMALL},
        "webhooks": {
            "existingSecret": WEBHOOKS,
            "ofTasks": True,
            "source": "https://tes.example.org",
            "allowedNetworks": [f"{each}/32" for each in addresses],
            "plainHttp": "allow",
            "timeoutSeconds": 2,
            "maxTries": 3,
        },
        "networkPolicy": {
            "scheduler": {
                "extraEgress": [
                    {
                        "ports": [{"port": PORT}],
                        "to": [
                            {
                                "namespaceSelector": {
                                    "matchLabels": {
                                        "kubernetes.io/metadata.name": servers
                                    }
                                },
                                "podSelector": {"matchLabels": {"app": RECEIVER}},
                            }
                        ],
                    }
                ]
            }
        },
    }


def _receivers(session: Session, receiver: WebhookReceiver) -> dict[str, Any]:
    """Return the file of webhooks: who may be told, who may not, and who cannot."""
    common: dict[str, Any] = {"secrets": ["key"]}
    end = {**common, "states": ["CANCELED"]}
    return {
        "targets": [
            {"name": "all", "url": f"{receiver.url}/all", **common},
            # Another server of the cluster, whose address nobody allowed.
            {"name": "refused", "url": f"{session.gated_storage.url}/", **end},
            # One whose address is allowed, but to which no NetworkPolicy lets through.
            {"name": "unreachable", "url": f"{session.storage.endpoint}/", **end},
        ],
        "tasks": [{"name": "own", "urls": [f"{receiver.url}/own"], **common}],
    }


def _claim(namespace: str) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": _SHARED, "namespace": namespace},
        "spec": {
            "accessModes": ["ReadWriteMany"],
            "resources": {"requests": {"storage": "10Mi"}},
        },
    }


def admin(release: Release, folder: Path, *command: str) -> str:
    """Run ``tesk admin`` as an operator does; return what it prints."""
    secret = release.kube.get("secrets", release.namespace, f"{NAME}-internal")
    assert secret is not None
    token = folder / "token"
    token.write_bytes(base64.b64decode(secret["data"]["token"]))
    token.chmod(0o600)
    with access_service(
        release.kube, release.namespace, f"{NAME}-scheduler", 7070
    ) as address:
        environ = {
            **os.environ,
            "TESK_GRPC_SCHEDULER": address,
            "TESK_GRPC_TOKEN_FILE": str(token),
        }
        done = subprocess.run(
            [Path(sys.executable).parent / "tesk", "admin", *command],
            env=environ,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    return done.stdout
