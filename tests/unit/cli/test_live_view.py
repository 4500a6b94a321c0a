"""The command falls back from TESK's live view of a task to the view of TES."""

from collections.abc import Callable

import httpx
import pytest

from tesk_cli.adapters.tes_server import HttpTaskServer
from tesk_model.errors import TeskError

LIVE = "/tesk/v1/tasks/t1"
FULL = "/ga4gh/tes/v1/tasks/t1"


def server(live: Callable[[], httpx.Response], asked: list[str]) -> HttpTaskServer:
    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        if request.url.path == LIVE:
            return live()
        return httpx.Response(200, json={"id": "t1", "state": "RUNNING"})

    return HttpTaskServer("http://tes.test", transport=httpx.MockTransport(answer))


@pytest.mark.parametrize("status", [500, 502, 503, 504, 429])
def test_a_gateway_whose_server_is_away_is_asked_again(status: int) -> None:
    asked: list[str] = []
    answers = [httpx.Response(status), httpx.Response(200, json={"id": "t1"})]
    tes = server(lambda: answers.pop(0), asked)

    with pytest.raises(TeskError):
        tes.watch_task("t1")
    tes.watch_task("t1")

    assert asked == [LIVE, LIVE]


def test_a_server_without_the_view_is_not_asked_for_it_again() -> None:
    asked: list[str] = []
    tes = server(lambda: httpx.Response(404), asked)

    tes.watch_task("t1")
    tes.watch_task("t1")

    assert asked == [LIVE, FULL, FULL]


def test_what_tes_has_no_field_for_is_read_as_far_as_it_is_there() -> None:
    sizes = [{"index": 0, "files": "1", "size_bytes": "7"}]
    live = {"reason": "", "input_sizes": sizes, "transfers": [], "id": "t1"}

    tes = server(lambda: httpx.Response(200, json=live), [])
    assert tes.get_extensions("t1") == {"input_sizes": sizes}

    elsewhere = server(lambda: httpx.Response(404), [])
    assert elsewhere.get_extensions("t1") == {}
