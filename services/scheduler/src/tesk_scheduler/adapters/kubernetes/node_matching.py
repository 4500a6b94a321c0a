"""Matches nodes with the executors that may run on them; pure.

A node counts if an executor of some class may run there: an ordinary one, or one
of a pool. Preferences are ignored.

Source:
    Kubernetes, "Assigning Pods to Nodes", "Taints and Tolerations".
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tesk_kubernetes.api import JsonObject
from tesk_kubernetes.pods import is_true
from tesk_kubernetes.settings import KubernetesSettings, Pool

_REPELLING_EFFECTS = ("NoSchedule", "NoExecute")


@dataclass(frozen=True, slots=True, kw_only=True)
class PodClass:
    """The placement constraints of pods of one class.

    Attributes:
        selector: Labels that a node must have.
        terms: Of a required node affinity, one of which must hold; empty: any.
        tolerations: Of taints.
    """

    selector: Mapping[str, str]
    terms: Sequence[JsonObject]
    tolerations: Sequence[Mapping[str, Any]]

    def may_run_on(self, node: JsonObject) -> bool:
        """Tell whether such a pod may be scheduled on a node."""
        metadata, spec = node["metadata"], node.get("spec") or {}
        labels = metadata.get("labels") or {}
        if any(labels.get(key) != value for key, value in self.selector.items()):
            return False
        if self.terms and not any(
            _matches_term(term, labels, metadata["name"]) for term in self.terms
        ):
            return False
        return all(
            any(_tolerates(toleration, taint) for toleration in self.tolerations)
            for taint in spec.get("taints") or ()
            if taint["effect"] in _REPELLING_EFFECTS
        )


def executor_pod_classes(
    template: JsonObject, settings: KubernetesSettings
) -> tuple[PodClass, ...]:
    """Return the classes of executors: ordinary ones, and those of each pool."""
    pools = (
        Pool(),
        settings.preemptible,
        *settings.pools.values(),
        Pool(tolerations=settings.gpu.tolerations),
    )
    return tuple(_pod_class(template, pool) for pool in pools)


def is_usable(node: JsonObject) -> bool:
    """Tell whether a node is ready and schedulable."""
    if (node.get("spec") or {}).get("unschedulable"):
        return False
    return is_true(node, "Ready")


def _pod_class(template: JsonObject, pool: Pool) -> PodClass:
    spec = template["spec"]
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {}
    return PodClass(
        selector={**(spec.get("nodeSelector") or {}), **pool.node_selector},
        terms=required.get("nodeSelectorTerms") or (),
        tolerations=(*(spec.get("tolerations") or ()), *pool.tolerations),
    )


def _matches_term(term: JsonObject, labels: Mapping[str, str], name: str) -> bool:
    expressions = term.get("matchExpressions") or ()
    fields = term.get("matchFields") or ()  # there is metadata.name alone
    return all(_matches(each, labels.get(each["key"])) for each in expressions) and all(
        _matches(each, name) for each in fields
    )


def _matches(expression: Mapping[str, Any], value: str | None) -> bool:
    operator: str = expression["operator"]
    values: Sequence[str] = expression.get("values") or ()
    if operator in ("Exists", "DoesNotExist"):
        return (value is not None) == (operator == "Exists")
    if operator in ("In", "NotIn"):
        return (value in values) == (operator == "In")
    number = _number(value)
    if number is None:
        return False
    return number > int(values[0]) if operator == "Gt" else number < int(values[0])


def _number(value: str | None) -> int | None:
    return int(value) if value and value.removeprefix("-").isdecimal() else None


def _tolerates(toleration: Mapping[str, Any], taint: Mapping[str, Any]) -> bool:
    if toleration.get("effect") not in (None, "", taint["effect"]):
        return False
    if not toleration.get("key"):
        return toleration.get("operator") == "Exists"
    if toleration["key"] != taint["key"]:
        return False
    if toleration.get("operator") == "Exists":
        return True
    return (toleration.get("value") or "") == (taint.get("value") or "")
