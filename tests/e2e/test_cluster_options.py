"""A release with the options of larger sites, all at once.

Tasks in namespaces of their own with a quota that counts CPU limits, TLS between the
services, a shared file system, reference data, a cache of inputs and one of calls,
executors that obey the Pod Security Standard `restricted`.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from cluster.kube import Object
from cluster.object_storage import credentials
from cluster.release import NAME, OF_THE_CLUSTER, Release, installed
from cluster.session import Session
from cluster.values import CREDENTIALS, merged
from files.certificates import Authority
from scenarios.scenario import Task, logs, shell, system_logs

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

CLAIM = "e2e-shared"
CACHE = "e2e-cache"
TLS = "e2e-tls"
# What is in a namespace for tasks before TESK comes.
OURS = OF_THE_CLUSTER | {
    f"secret/{CREDENTIALS}",
    f"persistentvolumeclaim/{CLAIM}",
    f"persistentvolumeclaim/{CACHE}",
    "resourcequota/e2e-limits",
}
QUOTA = "e2e-limits"
COMMON = "file:///shared/common/out"
REFERENCE_TASK: Task = {
    "inputs": [{"path": "/in/a", "url": "ref://shared/common/out"}],
    "executors": [shell("cat /in/a")],
}


@pytest.fixture(scope="module")
def elsewhere(session: Session) -> Iterator[tuple[str, str]]:
    """Two namespaces for tasks, with what their filers need."""
    names = (f"{session.name}-tasks-a", f"{session.name}-tasks-b")
    with ExitStack() as exits:
        for name in names:
            session.kube.make_namespace(name)
            exits.callback(session.kube.delete, "namespaces", "", name)
            label = {"pod-security.kubernetes.io/enforce": "restricted"}
            session.kube.patch("namespaces", "", name, {"metadata": {"labels": label}})
            session.kube.apply(
                credentials(name, CREDENTIALS),
                _claim(name, CLAIM),
                _claim(name, CACHE),
                _quota(name),
            )
        yield names


@pytest.fixture(scope="module")
def release(
    session: Session,
    elsewhere: tuple[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Release]:
    """The release, in a third namespace."""
    namespace = f"{session.name}-options"
    authority = Authority(tmp_path_factory.mktemp("authority"))
    change = {
        "taskNamespaces": list(elsewhere),
        "tls": {
            "enabled": True,
            "existingSecret": TLS,
            "caBundle": authority.certificate.read_text(),
        },
        "executors": {
            "podSecurity": "restricted",
            "podSecurityContext": {"runAsUser": 1234},
            "resources": {"cpuLimitRatio": 2},
        },
        "filer": {
            "resources": {"limits": {"cpu": 1}},
            "cache": {"sizeGb": 1, "claim": CACHE},
            "extraEnv": [{"name": "TESK_FILER_CACHE_FROM", "value": "1"}],
        },
        "references": {"shared": {"claim": CLAIM}},
        "scheduler": {"callCache": "owner"},
        "taskmaster": {"resources": {"limits": {"cpu": 1}}},
        "storage": {"shared": {"claim": CLAIM}},
        "api": {"replicas": 1},
    }
    with installed(
        session.kube,
        namespace,
        merged(session.values(), change),
        [_certificate(authority, namespace)],
    ) as installation:
        installation.connect()
        yield installation


def test_a_task_that_was_run_before_is_not_run_again(
    session: Session, release: Release
) -> None:
    folder = session.storage.folder("called")
    task: Task = {
        "inputs": [{"path": "/in/a", "url": folder.put("in", b"input\n")}],
        "executors": [shell("cat /in/a; cp /in/a /out/a")],
        "outputs": [{"path": "/out/a", "url": folder.url("out")}],
    }
    first = release.finish(release.create(task))

    second = release.finish(release.create(task))
    folder.put("in", b"other input\n")
    third = release.finish(release.create(task))

    states = [each["state"] for each in (first, second, third)]
    assert states == ["COMPLETE"] * 3, system_logs(second) + system_logs(third)
    assert second["logs"][0]["metadata"]["call_cache"] == first["id"]
    assert logs(second)[0]["stdout"] == "input\n"
    assert "call_cache" not in third["logs"][0]["metadata"]
    assert logs(third)[0]["stdout"] == "other input\n"
    assert "do not count: inputs[0]" in system_logs(third)


def test_tasks_run_in_their_namespaces_and_nothing_is_left_there(
    session: Session, elsewhere: tuple[str, str], release: Release
) -> None:
    url = session.storage.folder("options").put("in", b"input\n")
    # Which namespace a task gets follows from its id: twelve will not all get one.
    tasks = [release.create(_task(number, url)) for number in range(12)]

    said = ""
    for number, task_id in enumerate(tasks):
        task = release.finish(task_id)
        assert task["state"] == "COMPLETE", task
        assert logs(task)[0]["stdout"] == "1234\ninput\n"
        urls = {output["url"] for output in task["logs"][0]["outputs"]}
        assert urls == {f"file:///shared/{number}/out", COMMON}
        said += system_logs(task)
    # A namespace has a cache of its own.
    assert said.count("1 of 1 files from the cache") == len(tasks) - len(elsewhere)

    # What they left is in both namespaces by now.
    reading = release.finish(release.create(REFERENCE_TASK))
    assert reading["state"] == "COMPLETE", reading
    assert logs(reading)[0]["stdout"] == "input\n"

    used = {
        name
        for name in elsewhere
        for event in session.kube.list("events", name)
        if event["reason"] == "Started" and "-x0-" in event["involvedObject"]["name"]
    }
    assert used == set(elsewhere)
    release.uninstall()
    for name in elsewhere:
        session.kube.wait_until_only(name, OURS)


def _task(number: int, url: str) -> Task:
    return {
        "inputs": [{"path": "/in/a", "url": url}],
        "executors": [shell("id -u; cat /in/a; cp /in/a /out/a")],
        "outputs": [
            {"path": "/out/a", "url": f"file:///shared/{number}/out"},
            {"path": "/out/a", "url": COMMON},
        ],
    }


def _claim(namespace: str, name: str) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "accessModes": ["ReadWriteMany"],
            "resources": {"requests": {"storage": "10Mi"}},
        },
    }


def _quota(namespace: str) -> Object:
    """Return a quota that refuses every pod without a CPU limit."""
    return {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": QUOTA, "namespace": namespace},
        "spec": {"hard": {"limits.cpu": "100", "limits.memory": "100Gi"}},
    }


def _certificate(authority: Authority, namespace: str) -> Object:
    pair = authority.issue(f"{NAME}-scheduler.{namespace}.svc")
    files: dict[str, Path] = {
        "tls.crt": pair.certificate,
        "tls.key": pair.key,
        "ca.crt": authority.certificate,
    }
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": TLS, "namespace": namespace},
        "stringData": {key: path.read_text() for key, path in files.items()},
    }
