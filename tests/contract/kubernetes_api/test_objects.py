"""Objects are made, found, listed and deleted."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from contract.kubernetes_api.kits import ApiKit, pod
from programs.waiting import eventually
from tesk_kubernetes.api import (
    CONFIG_MAPS,
    JOBS,
    NODES,
    PODS,
    SECRETS,
    AlreadyExistsError,
    ForbiddenError,
    JsonObject,
    KubernetesError,
    Propagation,
    QuotaExceededError,
    RefusedError,
)
from tesk_kubernetes.templates import owner_reference


def note(name: str, **labels: str) -> JsonObject:
    return {"metadata": {"name": name, "labels": labels}, "data": {"text": name}}


def owned(name: str, owner: JsonObject) -> JsonObject:
    metadata = owner["metadata"]
    reference = owner_reference(SECRETS, name=metadata["name"], uid=metadata["uid"])
    return {"metadata": {"name": name, "ownerReferences": [reference]}}


def names(kit: ApiKit, *, labels: str = "", fields: str = "") -> list[str]:
    listing = kit.api.list(CONFIG_MAPS, kit.namespace, labels=labels, fields=fields)
    found = [item["metadata"]["name"] for item in listing.items]
    return sorted(set(found) - {"kube-root-ca.crt"})  # each namespace has that one


def uid_of(body: JsonObject) -> str:
    return str(body["metadata"]["uid"])


def refusal(act: Callable[[], object]) -> KubernetesError:
    with pytest.raises(KubernetesError) as raised:
        act()
    return raised.value


def test_a_created_object_can_be_read(kit: ApiKit) -> None:
    created = kit.api.create(CONFIG_MAPS, kit.namespace, note("a", app="x"))

    found = kit.api.get(CONFIG_MAPS, kit.namespace, "a")

    assert found == created
    assert created["data"] == {"text": "a"}
    assert created["kind"] == "ConfigMap"
    assert created["metadata"]["uid"]
    assert created["metadata"]["namespace"] == kit.namespace


def test_a_missing_object_reads_as_none(kit: ApiKit) -> None:
    assert kit.api.get(CONFIG_MAPS, kit.namespace, "none") is None


def test_a_name_is_given_once(kit: ApiKit) -> None:
    kit.api.create(CONFIG_MAPS, kit.namespace, note("a"))

    error = refusal(lambda: kit.api.create(CONFIG_MAPS, kit.namespace, note("a")))

    assert isinstance(error, AlreadyExistsError)
    assert str(error) == 'configmaps "a" already exists'


def test_a_malformed_object_is_refused_with_the_field(kit: ApiKit) -> None:
    error = refusal(lambda: kit.api.create(CONFIG_MAPS, kit.namespace, note("A_")))

    assert isinstance(error, RefusedError)
    assert 'ConfigMap "A_" is invalid: metadata.name' in str(error)


SELECTIONS = {
    "none: all": ("", "", ["a", "b", "c"]),
    "a value": ("app=x", "", ["a", "b"]),
    "another value": ("app,app!=x", "", ["c"]),
    "one of some values": ("app in (y,z),app", "", ["c"]),
    "none of some values": ("app,app notin (y)", "", ["a", "b"]),
    "two labels": ("app=x,step=1", "", ["b"]),
    "a label": ("step", "", ["b"]),
    "no such label": ("!step", "", ["a", "c"]),
    "a field": ("", "metadata.name=c", ["c"]),
    "both": ("app=x", "metadata.name!=a", ["b"]),
}


def test_objects_are_listed_by_selectors(kit: ApiKit) -> None:
    for body in (note("a", app="x"), note("b", app="x", step="1"), note("c", app="y")):
        kit.api.create(CONFIG_MAPS, kit.namespace, body)

    found = {
        sentence: names(kit, labels=labels, fields=fields)
        for sentence, (labels, fields, _) in SELECTIONS.items()
    }

    assert found == {
        sentence: wanted for sentence, (_, _, wanted) in SELECTIONS.items()
    }


def test_listed_objects_do_not_repeat_their_kind(kit: ApiKit) -> None:
    kit.api.create(CONFIG_MAPS, kit.namespace, note("a", app="x"))

    listing = kit.api.list(CONFIG_MAPS, kit.namespace, labels="app=x")

    assert [item.get("kind") for item in listing.items] == [None]


def test_a_deletion_tells_whether_there_was_something(kit: ApiKit) -> None:
    kit.api.create(CONFIG_MAPS, kit.namespace, note("a"))

    deleted = [kit.api.delete(CONFIG_MAPS, kit.namespace, "a") for _ in range(2)]

    assert deleted == [True, False]
    assert kit.api.get(CONFIG_MAPS, kit.namespace, "a") is None


def test_a_deletion_by_uid_spares_a_successor(kit: ApiKit) -> None:
    first = kit.api.create(CONFIG_MAPS, kit.namespace, note("a"))
    kit.api.delete(CONFIG_MAPS, kit.namespace, "a", uid=uid_of(first))
    second = kit.api.create(CONFIG_MAPS, kit.namespace, note("a"))

    assert not kit.api.delete(CONFIG_MAPS, kit.namespace, "a", uid=uid_of(first))
    assert kit.api.get(CONFIG_MAPS, kit.namespace, "a") == second
    assert kit.api.delete(CONFIG_MAPS, kit.namespace, "a", uid=uid_of(second))


def test_an_owned_object_is_deleted_with_its_owner(kit: ApiKit) -> None:
    owner = kit.api.create(SECRETS, kit.namespace, {"metadata": {"name": "anchor"}})
    child = kit.api.create(CONFIG_MAPS, kit.namespace, owned("child", owner))
    kit.api.create(CONFIG_MAPS, kit.namespace, note("other"))

    kit.api.delete(SECRETS, kit.namespace, "anchor", uid=uid_of(owner))

    assert child["metadata"]["ownerReferences"][0]["uid"] == uid_of(owner)
    eventually(lambda: names(kit) == ["other"], every=0.1)


def test_orphans_stay(kit: ApiKit) -> None:
    owner = kit.api.create(SECRETS, kit.namespace, {"metadata": {"name": "anchor"}})
    kit.api.create(CONFIG_MAPS, kit.namespace, owned("child", owner))

    kit.api.delete(SECRETS, kit.namespace, "anchor", propagation=Propagation.ORPHAN)

    def is_orphan() -> bool:
        found = kit.api.get(CONFIG_MAPS, kit.namespace, "child")
        return found is not None and not found["metadata"].get("ownerReferences")

    eventually(is_orphan, every=0.1)


def test_an_object_of_a_dead_owner_is_collected(kit: ApiKit) -> None:
    owner = kit.api.create(SECRETS, kit.namespace, {"metadata": {"name": "anchor"}})
    kit.api.delete(SECRETS, kit.namespace, "anchor")

    kit.api.create(CONFIG_MAPS, kit.namespace, owned("late", owner))

    eventually(lambda: names(kit) == [], every=0.1)


def test_a_full_quota_is_told_from_a_missing_right(kit: ApiKit) -> None:
    kit.limit_secrets(1)
    kit.api.create(SECRETS, kit.namespace, {"metadata": {"name": "first"}})

    error = refusal(
        lambda: kit.api.create(SECRETS, kit.namespace, {"metadata": {"name": "second"}})
    )

    assert isinstance(error, QuotaExceededError)
    assert "exceeded quota" in str(error)


def test_a_missing_right_is_told_in_words(kit: ApiKit) -> None:
    api = kit.powerless()

    error = refusal(lambda: api.get(SECRETS, kit.namespace, "any"))

    assert isinstance(error, ForbiddenError)
    assert 'cannot get resource "secrets"' in str(error)


def test_the_pod_of_a_job_is_found_by_the_jobs_name(kit: ApiKit) -> None:
    body = pod("work")
    job = {"metadata": {"name": "work"}, "spec": {"template": {"spec": body["spec"]}}}
    kit.api.create(JOBS, kit.namespace, job)

    def pods() -> list[str]:
        found = kit.api.list(
            PODS, kit.namespace, labels="batch.kubernetes.io/job-name=work"
        )
        return [item["metadata"]["name"] for item in found.items]

    [name] = eventually(pods, every=0.1)
    assert name.startswith("work-")

    kit.api.delete(JOBS, kit.namespace, "work")
    eventually(lambda: not pods(), every=0.2)


def test_a_pod_may_be_removed_without_its_node(kit: ApiKit) -> None:
    kit.talk("talker")

    assert kit.api.delete(PODS, kit.namespace, "talker", grace=timedelta(0))

    assert kit.api.get(PODS, kit.namespace, "talker") is None


def test_nodes_are_in_no_namespace(kit: ApiKit) -> None:
    listing = kit.api.list(NODES, "")
    first = listing.items[0]
    name = first["metadata"]["name"]

    found = kit.api.get(NODES, "", name)
    with kit.api.watch(NODES, "", labels="", since=listing.resource_version):
        pass

    assert found is not None
    assert found["metadata"]["uid"] == first["metadata"]["uid"]
    assert {"cpu", "memory", "pods"} <= first["status"]["allocatable"].keys()


def test_a_list_of_nodes_without_the_right_is_refused(kit: ApiKit) -> None:
    with pytest.raises(ForbiddenError, match="nodes"):
        kit.powerless().list(NODES, "")
