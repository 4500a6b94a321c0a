"""What the cluster's messages say of what a step waits for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tesk_model.waits import NodeCause, WaitDetails, WaitScope
from tesk_taskmaster.adapters.kubernetes.status.observations import ProblemKind
from tesk_taskmaster.adapters.kubernetes.status.wait_details import (
    node_details,
    problem_details,
    queue_details,
    quota_details,
)

NODES: dict[str, tuple[str, str, list[NodeCause], str]] = {
    "too little of one resource": (
        "0/3 nodes are available: 3 Insufficient memory.",
        "ram_gb",
        [NodeCause("Insufficient memory", 3)],
        "goes on when a node has enough memory free",
    ),
    "several causes, and what preemption would not help": (
        (
            "0/5 nodes are available: 1 node(s) had untolerated taint "
            "{node-role.kubernetes.io/control-plane: }, 4 Insufficient nvidia.com/gpu. no "
            "new claims to deallocate, preemption: 0/5 nodes are available: 1 Preemption is "
            "not helpful for scheduling, 4 No preemption victims found for incoming pod."
        ),
        "nvidia.com/gpu",
        [
            NodeCause("Insufficient nvidia.com/gpu", 4),
            NodeCause(
                "node(s) had untolerated taint {node-role.kubernetes.io/control-plane: }",
                1,
            ),
        ],
        "goes on when a node has enough nvidia.com/gpu free",
    ),
    "no resource": (
        (
            "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector. "
            "preemption: 0/1 nodes are available: 1 Preemption is not helpful."
        ),
        "",
        [NodeCause("node(s) didn't match Pod's node affinity/selector", 1)],
        "",
    ),
    "another message": ("no nodes available to schedule pods", "", [], ""),
}


@pytest.mark.parametrize(
    ("message", "dimension", "causes", "remedy"), NODES.values(), ids=NODES
)
def test_nodes_are_counted_by_cause(
    message: str, dimension: str, causes: list[NodeCause], remedy: str
) -> None:
    assert node_details(message) == WaitDetails(
        scope=WaitScope.NODE,
        dimension=dimension,
        nodes=tuple(causes),
        remedy=remedy,
    )


QUOTAS: dict[str, tuple[str, WaitDetails]] = {
    "the resource that has no room": (
        (
            "exceeded quota: compute, requested: requests.cpu=2,requests.memory=1Gi, used: "
            "requests.cpu=1500m,requests.memory=2560Mi, limited: requests.cpu=8,"
            "requests.memory=3Gi"
        ),
        WaitDetails(
            scope=WaitScope.CLUSTER_QUOTA,
            subject="compute",
            dimension="ram_gb",
            used=2.5,
            limit=3,
            needed=1,
            remedy="goes on when the quota compute of the cluster has room",
        ),
    ),
    "pods": (
        "exceeded quota: q, requested: pods=1, used: pods=0, limited: pods=0",
        WaitDetails(
            scope=WaitScope.CLUSTER_QUOTA,
            subject="q",
            dimension="running",
            used=0,
            limit=0,
            needed=1,
            remedy="goes on when the quota q of the cluster has room",
        ),
    ),
    "amounts that cannot be read": (
        "exceeded quota: q, requested: cpu, used: cpu=x, limited: cpu=1",
        WaitDetails(
            scope=WaitScope.CLUSTER_QUOTA,
            subject="q",
            remedy="goes on when the quota q of the cluster has room",
        ),
    ),
    "another message": (
        "exceeded quota",
        WaitDetails(scope=WaitScope.CLUSTER_QUOTA),
    ),
}


@pytest.mark.parametrize(("message", "want"), QUOTAS.values(), ids=QUOTAS)
def test_a_quota_is_named_with_its_numbers(message: str, want: WaitDetails) -> None:
    assert quota_details(message) == want


def test_a_queue_is_named_with_what_it_lacks() -> None:
    words = (
        "couldn't assign flavors to pod set main: insufficient unused quota for cpu in "
        "flavor default, 2 more needed"
    )

    details = queue_details("small", words)

    assert (details.scope, details.subject) == (WaitScope.CLUSTER_QUEUE, "small")
    assert details.dimension == "cpu"
    assert details.remedy == "goes on when the queue small of the cluster admits it"
    assert queue_details("", "").remedy == "goes on when it is resumed"


@given(
    kind=st.sampled_from(ProblemKind),
    words=st.text()
    | st.from_regex(r"0/\d+ nodes are available: (\d+ [a-z, .]+)*")
    | st.from_regex(
        r"exceeded quota: \w+, requested: \w+=\S*, used: \w+=\S*, limited: \w+=\S*"
    ),
)
def test_no_message_of_a_cluster_is_too_strange(kind: ProblemKind, words: str) -> None:
    details = problem_details(kind, words)

    assert details is None or details.bounded().scope
