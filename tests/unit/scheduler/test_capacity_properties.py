"""Whatever is submitted to a cluster, tasks go on ending."""

from hypothesis import given, settings
from hypothesis import strategies as st

from simulations.cluster import Cluster
from tesk_model.quantities import ByteCount
from tesk_scheduler.domain.capacity import OwnPods
from tesk_scheduler.domain.dimensions import CPU
from tesk_scheduler.domain.quota import Demand, Limit

OWNERS = st.sampled_from(["a", "b", "c"])
SEEDS = st.integers(min_value=0, max_value=2**32)
UPGRADES = 0.05
SLOTS = st.integers(min_value=1, max_value=5)


def demands(cpu: int, ram: int) -> st.SearchStrategy[Demand]:
    """Return what pods may ask for, up to so much."""
    return st.builds(
        Demand,
        cpu_millis=st.integers(min_value=0, max_value=cpu),
        ram=st.integers(min_value=0, max_value=ram).map(ByteCount),
        disk=st.just(ByteCount(0)),
    )


OWN = st.builds(OwnPods, taskmaster=demands(6, 6), filer=demands(4, 4))
ROOMS = st.builds(
    Limit,
    cpu_millis=st.integers(min_value=1, max_value=40),
    ram=st.integers(min_value=1, max_value=40),
    running=st.integers(min_value=0, max_value=12),
)
BURSTS = st.lists(st.tuples(OWNERS, demands(30, 30)), max_size=40)


@settings(deadline=None)
@given(ROOMS, OWN, SLOTS, BURSTS, SEEDS)
def test_admitted_tasks_of_a_node_run_and_all_that_fit_end(
    node: Limit,
    own: OwnPods,
    slots: int,
    burst: list[tuple[str, Demand]],
    seed: int,
) -> None:
    cluster = Cluster(nodes=[node], own=own, slots=slots, seed=seed)
    for owner, demand in burst:
        cluster.submit(owner, demand)

    while True:
        cluster.admit()
        assert cluster.bind() == []
        if cluster.chance.random() < UPGRADES:
            cluster.revision += "'"
        went = cluster.dismiss(idle=False)
        if not (cluster.finish_a_step() or went or cluster.dismiss(idle=True)):
            break

    assert cluster.waiting == 0
    assert cluster.ended + len(cluster.misfits) == len(burst)
    for queue in cluster.machine.queues.values():
        for task in queue:
            assert not could_run(task.demand, node, own)


def could_run(demand: Demand, node: Limit, own: OwnPods) -> bool:
    """Tell whether a node holds a taskmaster and one task."""
    return demand.at_least(own.filer).plus(own.taskmaster).fits(node)


@settings(deadline=None)
@given(
    st.lists(st.integers(min_value=40, max_value=200), min_size=1, max_size=5),
    st.lists(st.tuples(OWNERS, demands(20, 0)), max_size=60),
    SEEDS,
)
def test_all_tasks_end_on_several_nodes_however_pods_are_placed(
    rooms: list[int], burst: list[tuple[str, Demand]], seed: int
) -> None:
    nodes = [Limit(cpu_millis=cpu, ram=0, running=30) for cpu in rooms]
    nothing = ByteCount(0)
    own = OwnPods(
        taskmaster=Demand(cpu_millis=2, ram=nothing, disk=nothing),
        filer=Demand(cpu_millis=2, ram=nothing, disk=nothing),
    )
    cluster = Cluster(nodes=nodes, own=own, slots=5, seed=seed)
    for owner, demand in burst:
        cluster.submit(owner, demand)

    while cluster.waiting:
        cluster.admit()
        cluster.bind()
        asked = sum(pod.asks[CPU] for pod in cluster.pods())
        assert asked <= sum(rooms)
        assert cluster.finish_a_step()
        if cluster.chance.random() < UPGRADES:
            cluster.revision += "'"
        cluster.dismiss(idle=cluster.chance.random() < 0.3)

    assert cluster.ended == len(burst)
