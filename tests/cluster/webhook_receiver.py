"""Deploys a receiver of webhooks in the cluster, and the Secret that lists receivers."""

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml
from standardwebhooks import Webhook

from cluster.kube import Kube, Object
from cluster.python_server import python_server
from cluster.service_access import access_service
from programs.waiting import eventually

WEBHOOKS = "e2e-webhooks"
RECEIVER = "receiver"
PORT = 8000
KEY = b"e2e-webhooks-of-the-cluster-0123"
_PROGRAM = Path(__file__).parent / "webhook_receiver_program.py"


@dataclass(frozen=True, slots=True)
class Event:
    """What came.

    Attributes:
        path: At which the receiver was called.
        data: The event, whose signature was verified.
    """

    path: str
    data: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookReceiver:
    """A receiver.

    Attributes:
        url: As pods reach it.
        address: Of its Service.
    """

    url: str
    address: str
    client: httpx.Client

    def events(self, task_id: str) -> list[Event]:
        """Return what came of a task, in order; fail if one is not signed."""
        received = self.client.get("/-/received").raise_for_status().json()
        found = []
        for each in received:
            if json.loads(each["body"])["subject"] == task_id:
                Webhook(KEY).verify(each["body"], each["headers"])
                found.append(Event(each["path"], json.loads(each["body"])))
        return found

    def wait_for(self, task_id: str, state: str, *paths: str) -> list[Event]:
        """Wait until all ``paths`` were told a state; return all that came by then."""

        def told() -> list[Event] | None:
            events = self.events(task_id)
            at = {each.path for each in events if each.data["data"]["state"] == state}
            return events if at.issuperset(paths) else None

        return eventually(told, within=60, every=0.2, what=f"{state} of {task_id}")


@contextmanager
def webhook_receiver_in(
    kube: Kube, namespace: str, image: str
) -> Iterator[WebhookReceiver]:
    """Run a receiver in ``namespace`` from an image with Python in ``/app``."""
    kube.apply(
        *python_server(
            RECEIVER, namespace, image, _PROGRAM, port=PORT, ready="/-/received"
        )
    )
    kube.wait_for_pods(namespace, f"app={RECEIVER}")
    transport = httpx.HTTPTransport(retries=3)
    with (
        access_service(kube, namespace, RECEIVER, PORT) as address,
        httpx.Client(
            base_url=f"http://{address}", timeout=30, transport=transport
        ) as client,
    ):
        yield WebhookReceiver(
            url=f"http://{RECEIVER}.{namespace}.svc:{PORT}",
            address=address_of(kube, namespace, RECEIVER),
            client=client,
        )


def address_of(kube: Kube, namespace: str, service: str) -> str:
    """Return the address of a Service."""
    found = kube.get("services", namespace, service)
    assert found is not None, f"no Service {service} in {namespace}"
    return str(found["spec"]["clusterIP"])


def webhooks_secret(namespace: str, document: dict[str, Any]) -> Object:
    """Return the Secret of the chart: the file of webhooks, and the secret ``key``."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": WEBHOOKS, "namespace": namespace},
        "stringData": {
            "webhooks.yaml": yaml.safe_dump(document),
            "key": "whsec_" + base64.b64encode(KEY).decode(),
        },
    }
