"""Connections to a cluster: configuration, credentials, retries."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from servers.api_server import Script, serving
from tesk_kubernetes.api import (
    CONFIG_MAPS,
    JOBS,
    ApiUnavailableError,
    KubernetesError,
    RefusedError,
)
from tesk_kubernetes.client import (
    NoClusterError,
    RealKubernetesApi,
    open_api,
    task_namespaces,
)
from tesk_kubernetes.settings import KubernetesSettings

RETRIED = timedelta(seconds=5)
NOT_RETRIED = timedelta(0)
ONE, TWO = {"metadata": {"name": "one"}}, {"metadata": {"name": "two"}}
FOUND = json.dumps({"metadata": {"name": "a"}})
BUSY = (429, {"Retry-After": "0"}, json.dumps({"code": 429, "message": "too busy"}))


def kubeconfig(folder: Path, server: str, **user: str) -> Path:
    context = {"cluster": "c", "user": "u", "namespace": "mine"}
    file = folder / "kubeconfig"
    known = {
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "x", "context": context}],
        "current-context": "x",
    }
    file.write_text(json.dumps(known))
    return file


def opened(file: Path, retry_for: timedelta = RETRIED) -> RealKubernetesApi:
    return open_api({"KUBECONFIG": str(file)}, retry_for=retry_for)


def test_a_short_outage_is_waited_out(tmp_path: Path) -> None:
    script = Script([BUSY, (503, {}, ""), (200, {}, FOUND)])

    with serving(script) as server:
        found = opened(kubeconfig(tmp_path, server)).get(CONFIG_MAPS, "n", "a")

    assert found == {"metadata": {"name": "a"}}
    assert script.requests == ["GET /api/v1/namespaces/n/configmaps/a"] * 3


def test_retries_have_an_end(tmp_path: Path) -> None:
    script = Script([BUSY])

    with serving(script) as server:
        api = opened(kubeconfig(tmp_path, server), NOT_RETRIED)
        with pytest.raises(ApiUnavailableError, match=r"^too busy$"):
            api.get(CONFIG_MAPS, "n", "a")

    assert len(script.requests) == 1


def test_a_call_that_is_to_come_back_too_late_is_not_retried(
    tmp_path: Path,
) -> None:
    script = Script([(429, {"Retry-After": "3600"}, "")])

    with serving(script) as server:
        api = opened(kubeconfig(tmp_path, server))
        with pytest.raises(ApiUnavailableError):
            api.get(CONFIG_MAPS, "n", "a")

    assert len(script.requests) == 1


def test_a_refusal_is_not_tried_again(tmp_path: Path) -> None:
    script = Script([(422, {}, json.dumps({"message": "spec: Invalid value"}))])

    with serving(script) as server:
        api = opened(kubeconfig(tmp_path, server))
        with pytest.raises(RefusedError, match=r"^spec: Invalid value$"):
            api.create(JOBS, "n", {"metadata": {"name": "a"}})

    assert script.requests == ["POST /apis/batch/v1/namespaces/n/jobs"]


def test_a_replaced_token_is_read_again(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("old")
    script = Script([(401, {}, ""), (200, {}, FOUND)])

    with serving(script) as server:
        api = opened(kubeconfig(tmp_path, server, tokenFile=str(token)))
        token.write_text("new")
        api.get(CONFIG_MAPS, "n", "a")

    assert script.tokens == ["Bearer old", "Bearer new"]


def test_a_token_that_stays_unknown_is_refused_and_not_told(tmp_path: Path) -> None:
    script = Script([(401, {}, json.dumps({"message": "Unauthorized"}))])

    with serving(script) as server:
        api = opened(kubeconfig(tmp_path, server, token="hush-hush"))
        with pytest.raises(RefusedError) as raised:
            api.get(CONFIG_MAPS, "n", "a")

    assert str(raised.value) == "Unauthorized"
    assert chain(raised.value) == [str(raised.value)]
    assert len(script.requests) == 2


def chain(error: BaseException | None) -> list[str]:
    """Return what a traceback would print of an error and its causes."""
    if error is None:
        return []
    hidden = error.__cause__ is None and error.__suppress_context__
    before = None if hidden else error.__cause__ or error.__context__
    return [str(error), *chain(before)]


def test_an_answer_that_is_no_json_is_not_the_api_servers(tmp_path: Path) -> None:
    with serving(Script([(200, {}, "<html>")])) as server:
        api = opened(kubeconfig(tmp_path, server), NOT_RETRIED)
        with pytest.raises(ApiUnavailableError):
            api.get(CONFIG_MAPS, "n", "a")


def test_a_server_that_is_not_there_is_named(tmp_path: Path) -> None:
    with serving(Script([(200, {}, FOUND)])) as server:
        pass
    api = opened(kubeconfig(tmp_path, server), NOT_RETRIED)

    with pytest.raises(ApiUnavailableError) as raised:
        api.get(CONFIG_MAPS, "n", "a")

    assert str(raised.value) == f"the API server {server} cannot be reached"


def test_a_long_listing_comes_in_pages(tmp_path: Path) -> None:
    first = {"metadata": {"resourceVersion": "5", "continue": "c"}, "items": [ONE, TWO]}
    second = {"metadata": {"resourceVersion": "5"}, "items": [ONE]}
    script = Script([(200, {}, json.dumps(page)) for page in (first, second)])

    with serving(script) as server:
        listing = opened(kubeconfig(tmp_path, server)).list(JOBS, "n", labels="a=b")

    assert (list(listing.items), listing.resource_version) == ([ONE, TWO, ONE], "5")
    assert [request.partition("?")[2] for request in script.requests] == [
        "labelSelector=a%3Db&limit=500",
        "labelSelector=a%3Db&limit=500&continue=c",
    ]


def test_a_listing_that_expires_between_pages_begins_again(tmp_path: Path) -> None:
    first = {"metadata": {"resourceVersion": "5", "continue": "c"}, "items": [ONE]}
    whole = {"metadata": {"resourceVersion": "7"}, "items": [ONE, TWO]}
    script = Script(
        [
            (200, {}, json.dumps(first)),
            (410, {}, json.dumps({"reason": "Expired", "message": "too old"})),
            (200, {}, json.dumps(whole)),
        ]
    )

    with serving(script) as server:
        listing = opened(kubeconfig(tmp_path, server)).list(JOBS, "n")

    assert (list(listing.items), listing.resource_version) == ([ONE, TWO], "7")


def test_names_stay_within_their_path(tmp_path: Path) -> None:
    script = Script([(404, {}, json.dumps({"reason": "NotFound"}))])

    with serving(script) as server:
        opened(kubeconfig(tmp_path, server)).get(JOBS, "n", "../../secrets?x")

    assert script.requests == [
        "GET /apis/batch/v1/namespaces/n/jobs/..%2F..%2Fsecrets%3Fx"
    ]


BAD_CONFIGURATIONS = {
    "is missing": None,
    "is empty": "",
    "is no YAML": "a: [",
    "has lists without end": "[" * 30_000,
    "names no context": "{clusters: [], users: [], contexts: []}",
}


@pytest.mark.parametrize(
    "text", BAD_CONFIGURATIONS.values(), ids=BAD_CONFIGURATIONS.keys()
)
def test_a_bad_kubeconfig_is_named(text: str | None, tmp_path: Path) -> None:
    file = tmp_path / "kubeconfig"
    if text is not None:
        file.write_text(text)

    with pytest.raises(NoClusterError, match=f"^no cluster: {file}: "):
        open_api({"KUBECONFIG": str(file)})


def test_a_missing_cluster_is_reported() -> None:
    with pytest.raises(KubernetesError, match="no KUBECONFIG, and no service account"):
        open_api({})


def test_tasks_run_in_the_own_namespace_unless_others_are_set(tmp_path: Path) -> None:
    file = kubeconfig(tmp_path, "https://c")
    unset, given = KubernetesSettings(), KubernetesSettings(namespaces=("a", "b"))

    environ = {"POD_NAMESPACE": "pod", "KUBECONFIG": str(file)}

    assert task_namespaces(unset, environ) == ("pod",)
    assert task_namespaces(unset, {"KUBECONFIG": str(file)}) == ("mine",)
    assert task_namespaces(unset, {}) == ("default",)
    assert task_namespaces(given, environ) == ("a", "b")
