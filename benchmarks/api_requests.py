"""How many requests TESK makes to the API server, by verb.

The API server's counters of requests do not say who made them. But it sorts
requests into flows by who asks for what, and counts those; so for the time of
a measurement there is a flow for each service and verb. Whatever else goes on
in the cluster is not counted.

Source:
    Kubernetes, "API Priority and Fairness"; the metric
    ``apiserver_flowcontrol_dispatched_requests_total``.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import yaml

from cluster.kube import run

VERBS = ("create", "delete", "get", "list", "watch", "update", "patch")
_METRIC = "apiserver_flowcontrol_dispatched_requests_total"
_BEFORE_ALL_OTHERS_OF_ACCOUNTS = 700
_LINE = re.compile(
    rf'^{_METRIC}{{[^}}]*flow_schema="([^"]+)"[^}}]*}} (\S+)$', re.MULTILINE
)


class ApiRequests:
    """Counts the requests of services, each under its ServiceAccount."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix

    def count(self) -> Counter[tuple[str, str]]:
        """Return how many there were so far, by service and verb."""
        text = run("kubectl", "get", "--raw", "/metrics")
        found: Counter[tuple[str, str]] = Counter()
        for flow, value in _LINE.findall(text):
            if flow.startswith(self._prefix):
                service, _, verb = flow.removeprefix(self._prefix).partition("-")
                found[service, verb] += round(float(value))
        return found


@contextmanager
def counted_requests(
    prefix: str, namespace: str, accounts: Mapping[str, str]
) -> Iterator[ApiRequests]:
    """Count requests.

    Args:
        prefix: Of the names of flows; nobody else's.
        namespace: Of the ServiceAccounts.
        accounts: ServiceAccounts by service.
    """
    flows = [
        _flow(f"{prefix}{service}-{verb}", verb, namespace, account)
        for service, account in accounts.items()
        for verb in VERBS
    ]
    run("kubectl", "apply", "-f", "-", text=yaml.safe_dump_all(flows))
    try:
        yield ApiRequests(prefix)
    finally:
        names = [flow["metadata"]["name"] for flow in flows]
        run("kubectl", "delete", "flowschemas", "--ignore-not-found", *names)


def _flow(name: str, verb: str, namespace: str, account: str) -> dict[str, Any]:
    subject = {
        "kind": "ServiceAccount",
        "serviceAccount": {"namespace": namespace, "name": account},
    }
    rule = {
        "verbs": [verb],
        "apiGroups": ["*"],
        "resources": ["*"],
        "namespaces": ["*"],
        "clusterScope": True,
    }
    return {
        "apiVersion": "flowcontrol.apiserver.k8s.io/v1",
        "kind": "FlowSchema",
        "metadata": {"name": name},
        "spec": {
            "matchingPrecedence": _BEFORE_ALL_OTHERS_OF_ACCOUNTS,
            # As they have it without this flow.
            "priorityLevelConfiguration": {"name": "workload-low"},
            "distinguisherMethod": {"type": "ByUser"},
            "rules": [{"subjects": [subject], "resourceRules": [rule]}],
        },
    }
