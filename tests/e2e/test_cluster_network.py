"""NetworkPolicies: who may reach TESK's own ports."""

from collections.abc import Callable, Iterator

import pytest

from cluster.kube import name_of
from cluster.layouts import layout_values
from cluster.release import Release, component_label, installed
from cluster.session import Session
from cluster.values import merged
from scenarios.scenario import codes, logs, shell

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(200)]

# Not nc: where it is, its options differ. Says of each target, in their order,
# whether it can be reached.
_PROBE = """
import socket, sys
from concurrent.futures import ThreadPoolExecutor

def look(target):
    host, port = target.rsplit(":", 1)
    try:
        socket.create_connection((host, int(port)), 3).close()
    except OSError:
        return f"shut {target}"
    return f"open {target}"

with ThreadPoolExecutor(32) as pool:
    print(*pool.map(look, sys.argv[1:]), sep="\\n")
"""


def targets(tesk: Release) -> list[str]:
    """Return all ports of the Services and pods of TESK."""
    found = []
    for component in ("scheduler", "api"):
        for service in tesk.kube.list(
            "services", tesk.namespace, component_label(component)
        ):
            found += [
                f"{name_of(service)}.{tesk.namespace}.svc:{port['port']}"
                for port in service["spec"]["ports"]
            ]
    for component, ports in (("scheduler", (7070, 9090)), ("api", (8080, 9090))):
        for pod in tesk.component(component):
            found += [f"{pod['status']['podIP']}:{port}" for port in ports]
    return found


@pytest.fixture(
    scope="module", params=["jobs", pytest.param("together", marks=pytest.mark.long)]
)
def layout(request: pytest.FixtureRequest) -> str:
    """In which the tasks of a test run."""
    return str(request.param)


@pytest.fixture(scope="module")
def tesk(
    layout: str, session: Session, tesk_with_layout: Callable[[str], Release]
) -> Iterator[Release]:
    """The TESK of that layout; executors beside filers have one as by default.

    That of other tests opens private networks to filers.
    """
    if layout == "jobs":
        yield tesk_with_layout(layout)
        return
    closed = {"networkPolicy": {"filer": {"private": False}}}
    values = merged(merged(session.values(), layout_values(layout)), closed)
    with installed(session.kube, f"{session.name}-network", values) as release:
        release.connect()
        yield release


def test_of_tesk_an_executor_reaches_only_what_a_filer_beside_it_needs(
    tesk: Release, layout: str
) -> None:
    api = tesk.component("api")[0]
    image = api["spec"]["containers"][0]["image"]
    command = ["/app/bin/python", "-c", _PROBE, *targets(tesk)]
    # A pod has one network: of the scheduler, filers need the port of gRPC.
    reached = [each for each in targets(tesk) if layout != "jobs" and ":7070" in each]

    task = tesk.run({"executors": [{"image": image, "command": command}]})

    assert codes(task) == [0], task
    assert logs(task)[0]["stdout"].splitlines() == [
        f"{'open' if target in reached else 'shut'} {target}"
        for target in targets(tesk)
    ]
    # The probe finds what is open: from a pod that may reach the scheduler.
    seen = tesk.kube.execute(tesk.namespace, name_of(api), *command)
    assert any(
        line.startswith("open") and line.endswith(":7070") for line in seen.split("\n")
    )


def test_a_filer_reaches_the_scheduler_and_storages(tesk: Release) -> None:
    # The filer asks the scheduler for its plan: without it, no input would arrive.
    task = tesk.run(
        {
            "inputs": [{"path": "/in/a", "content": "by the scheduler"}],
            "executors": [shell("cat /in/a")],
        }
    )

    assert logs(task)[0]["stdout"] == "by the scheduler"
