"""Web pages that make a browser act on a server of the user's own machine."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from builders.tasks import make_task_json
from clients.raw_http import Answer, head, parse_answers, raw_peers
from fakes.api_process import ApiProcess, run_with
from fakes.api_scheduler import MemoryScheduler

BODY = json.dumps(make_task_json()).encode()
JSON = {"Content-Type": "application/json"}
CANCEL = "/ga4gh/tes/v1/tasks/t-1:cancel"
CREATE = "/ga4gh/tes/v1/tasks"
PORTAL = "https://portal.example"


@pytest.fixture(scope="module")
def scheduler() -> MemoryScheduler:
    return MemoryScheduler()


@pytest.fixture(scope="module")
def own_api(
    scheduler: MemoryScheduler, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ApiProcess]:
    """An api on loopback, as ``tesk serve`` runs it, with one task."""
    folder = tmp_path_factory.mktemp("api")
    with run_with(scheduler, folder, TESK_API_CORS_ORIGINS=PORTAL) as process:
        assert process.request("POST", CREATE, BODY)[0] == 200
        yield process


def send(
    api: ApiProcess, method: str, target: str, body: bytes, **headers: str
) -> Answer:
    """Send a request with just these headers."""
    fields = {"Host": f"127.0.0.1:{api.port}"} | headers
    first = head(method, target, **fields, Connection="close", Content_Length=len(body))
    with raw_peers(api.port, 1, first, body) as (peer,):
        (answer,) = parse_answers(peer.read_answers())
    return answer


# What a page of somebody else can make a browser send without being asked
# (Fetch: "no-cors"), and what else browsers say of who is behind a request.
PAGES = {
    "another site": {"Sec_Fetch_Site": "cross-site", "Origin": "https://evil.example"},
    "another site that hides": {"Sec_Fetch_Site": "cross-site"},
    "another port of this machine": {
        "Sec_Fetch_Site": "same-site",
        "Origin": "http://127.0.0.1:3000",
    },
    "a sandboxed frame": {"Sec_Fetch_Site": "cross-site", "Origin": "null"},
    "an old browser": {"Origin": "https://evil.example"},
    "a file on disk in an old browser": {"Origin": "null"},
    "two values": {"Sec_Fetch_Site": "same-origin, cross-site"},
    "the same name by another scheme": {"Origin": "ftp://127.0.0.1"},
}


@pytest.mark.parametrize("headers", PAGES.values(), ids=PAGES)
@pytest.mark.parametrize(
    "target", [CREATE, CANCEL, "/v1/tasks", "/v1/tasks/t-1%3Acancel"]
)
def test_a_foreign_page_can_neither_create_nor_cancel(
    own_api: ApiProcess,
    scheduler: MemoryScheduler,
    headers: dict[str, str],
    target: str,
) -> None:
    before = len(scheduler.tasks)
    body = b"" if "cancel" in target else BODY

    answer = send(
        own_api, "POST", target, body, Content_Type="application/json", **headers
    )

    assert answer.status == 403
    assert (
        "api.cors_origins (TESK_API_CORS_ORIGINS)" in json.loads(answer.body)["message"]
    )
    assert len(scheduler.tasks) == before


OWN = {
    "no browser": {},
    "a page of this server": {"Sec_Fetch_Site": "same-origin"},
    "an address typed by the user": {"Sec_Fetch_Site": "none"},
    "an allowed page": {"Sec_Fetch_Site": "cross-site", "Origin": PORTAL},
    "an allowed page in an old browser": {"Origin": PORTAL},
}


@pytest.mark.parametrize("headers", OWN.values(), ids=OWN)
def test_own_pages_allowed_pages_and_programs_may_act(
    own_api: ApiProcess, headers: dict[str, str]
) -> None:
    kind = {"Content_Type": "application/json"}

    assert send(own_api, "POST", CREATE, BODY, **kind, **headers).status == 200
    assert send(own_api, "POST", CANCEL, b"", **headers).status == 200
    assert send(own_api, "POST", CANCEL, b"", **kind, **headers).status == 200


def test_the_servers_own_page_is_known_by_its_origin(own_api: ApiProcess) -> None:
    origin = f"http://127.0.0.1:{own_api.port}"

    answer = send(
        own_api, "POST", CREATE, BODY, Content_Type="application/json", Origin=origin
    )

    assert answer.status == 200


def test_a_preflight_tells_which_pages_may_act(own_api: ApiProcess) -> None:
    asked = {"Access_Control_Request_Method": "POST", "Sec_Fetch_Site": "cross-site"}

    allowed = send(own_api, "OPTIONS", CREATE, b"", Origin=PORTAL, **asked)
    other = send(
        own_api, "OPTIONS", CREATE, b"", Origin="https://evil.example", **asked
    )

    assert allowed.headers["Access-Control-Allow-Origin"] == PORTAL
    assert other.headers["Access-Control-Allow-Origin"] is None


KINDS = ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("target", [CREATE, CANCEL])
def test_a_body_that_needs_no_preflight_is_refused(
    own_api: ApiProcess, kind: str, target: str
) -> None:
    headers = {"Content_Type": kind} if kind else {}

    answer = send(own_api, "POST", target, BODY, **headers)

    assert answer.status == 415
    assert "application/json" in json.loads(answer.body)["message"]


FOREIGN = [
    "evil.example",
    "127.0.0.1.evil.example",
    "localhost.evil.example",
    "10.0.0.1",
]


@pytest.mark.parametrize("name", FOREIGN)
def test_a_rebound_host_name_is_refused(own_api: ApiProcess, name: str) -> None:
    authority = f"{name}:{own_api.port}"
    rebound = {"Host": authority, "Origin": f"http://{authority}"}
    rebound |= {"Sec_Fetch_Site": "same-origin"}

    for method, target in (("GET", CREATE), ("POST", CANCEL), ("GET", "/metrics")):
        answer = send(own_api, method, target, b"", **rebound)
        assert answer.status == 403
        assert "TESK_API_ALLOWED_HOSTS" in json.loads(answer.body)["message"]


@pytest.mark.parametrize("name", ["localhost", "LOCALHOST", "127.0.0.1", "[::1]"])
def test_loopback_names_are_accepted(own_api: ApiProcess, name: str) -> None:
    assert send(own_api, "GET", CREATE, b"", Host=f"{name}:9").status == 200


def test_other_names_need_a_setting_and_probes_do_not(
    scheduler: MemoryScheduler, tmp_path: Path
) -> None:
    own = {"HOST": "0.0.0.0", "TESK_API_ALLOWED_HOSTS": "tes.example.org,*.svc"}
    with run_with(scheduler, tmp_path, **own) as api:
        for name in ("TES.example.org", "tesk.ns.svc:8080", "10.1.2.3:8080"):
            assert send(api, "GET", CREATE, b"", Host=name).status == 200
        assert send(api, "GET", CREATE, b"", Host="evil.example").status == 403
        assert send(api, "GET", "/readyz", b"", Host="evil.example").status == 200


def test_an_open_server_accepts_any_host_name(
    scheduler: MemoryScheduler, tmp_path: Path
) -> None:
    with run_with(scheduler, tmp_path, HOST="0.0.0.0") as api:
        assert send(api, "GET", CREATE, b"", Host="tesk-api.ns.svc").status == 200
        # Who can reach this one is not for metrics to be shown to.
        assert send(api, "GET", "/metrics", b"").status == 404


ANYWHERE = ["/", CREATE, "/ga4gh/tes/v1/tasks/none", "/ga4gh/tes/v1/service-info"]
ANYWHERE += ["/nowhere", "/healthz", "/openapi.json", "/metrics", "/ui/"]


@pytest.mark.parametrize("target", ANYWHERE)
def test_every_response_has_security_headers(own_api: ApiProcess, target: str) -> None:
    headers = send(own_api, "GET", target, b"").headers

    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    if target != "/ui/":
        assert headers["Cache-Control"] == "no-store"


def test_early_refusals_have_security_headers(own_api: ApiProcess) -> None:
    with raw_peers(own_api.port, 1, b"nonsense\r\n\r\n") as (peer,):
        (answer,) = parse_answers(peer.read_answers())

    assert answer.status == 400
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"


def test_the_interactive_page_runs_its_own_scripts_alone(own_api: ApiProcess) -> None:
    page = send(own_api, "GET", "/ui/", b"")
    policy = page.headers["Content-Security-Policy"]
    scripts = policy.partition("script-src")[2].partition(";")[0].split()

    assert page.body.count(b"<script>") == sum("sha256-" in word for word in scripts)
    assert scripts[0] == "'self'"
    assert "'unsafe-inline'" not in scripts
    assert b'src="http' not in page.body
