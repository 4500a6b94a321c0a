"""Keys of AWS's roles: renewed before they end, and when they are refused."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from contract.storage.at_once import THREADS
from contract.storage.aws import (
    Seconds,
    as_service_account,
    given,
    sts,
    want,
)
from contract.storage.places import TIMEOUTS
from servers.scripted import answer, scripted_server
from tesk_filer.adapters.storage.http_pool import HttpPool
from tesk_filer.adapters.storage.s3_requests import S3Request, S3Requests
from tesk_filer.adapters.storage.setting_credentials import SettingCredentials
from tesk_filer.domain.credentials import S3Account
from tesk_filer.ports import StorageError
from tesk_model.locations import parse_location

pytestmark = pytest.mark.usefixtures("without_aws")


def test_keys_of_a_role_are_renewed_before_they_end(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, seconds: Seconds
) -> None:
    soon = given("A", timedelta(minutes=2))
    with scripted_server(sts(soon), sts(given("B"))) as script:
        found = as_service_account(monkeypatch, script, tmp_path, seconds)
        assert found.keys() == want("A")
        # The cluster replaces it as well.
        (tmp_path / "token").write_text("newer")
        seconds.now += 1

        assert found.keys() == want("B")
        assert found.keys() == want("B")

        assert parse_qs(script.bodies[-1].decode())["WebIdentityToken"] == ["newer"]


def test_the_library_is_asked_for_keys_once_in_a_second(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, seconds: Seconds
) -> None:
    soon = given("A", timedelta(minutes=2))  # the library would renew them at once
    with scripted_server(sts(soon), sts(given("B"))) as script:
        found = as_service_account(monkeypatch, script, tmp_path, seconds)
        assert found.keys() == want("A")
        seconds.now += 0.9

        assert found.keys() == want("A")
        assert len(script.requests) == 1


def test_keys_that_are_refused_are_asked_for_at_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with scripted_server(sts(given("A")), sts(given("B"))) as script:
        found = as_service_account(monkeypatch, script, tmp_path)
        assert found.keys() == want("A")

        assert found.others(want("A"), doubted=False) == want("B")
        assert found.keys() == want("B")


def test_keys_that_may_be_refused_for_what_they_lack_are_asked_for_once_in_a_minute(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, seconds: Seconds
) -> None:
    answers = [sts(given(name)) for name in "ABC"]
    with scripted_server(*answers) as script:
        found = as_service_account(monkeypatch, script, tmp_path, seconds)

        for now in (0, 0, 59, 60):
            seconds.now = now
            keys = found.keys()
            found.others(keys, doubted=True)
        assert len(script.requests) == 3
        assert found.keys() == want("C")


def test_keys_that_others_have_replaced_meanwhile_are_not_asked_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, seconds: Seconds
) -> None:
    with scripted_server(sts(given("A")), sts(given("B"))) as script:
        found = as_service_account(monkeypatch, script, tmp_path, seconds)
        found.keys()
        found.others(want("A"), doubted=False)
        seconds.now += 600

        assert found.others(want("A"), doubted=False) == want("B")
        assert len(script.requests) == 2


@pytest.mark.parametrize("doubted", [True, False])
def test_keys_stay_in_use_while_there_can_be_no_others(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    seconds: Seconds,
    *,
    doubted: bool,
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with scripted_server(sts(given("A")), answer(503), sts(given("B"))) as script:
        found = as_service_account(monkeypatch, script, tmp_path, seconds)
        found.keys()

        for _ in range(10):
            with pytest.raises(StorageError, match="503") as caught:
                found.others(want("A"), doubted=doubted)
            assert caught.value.transient
            assert found.keys() == want("A")
        assert len(script.requests) == 2
        seconds.now += 10
        assert found.others(want("A"), doubted=doubted) == want("B")
        assert found.keys() == want("B")


def test_threads_that_begin_together_ask_for_keys_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with scripted_server(sts(given("A"))) as script:
        found = as_service_account(monkeypatch, script, tmp_path)

        with ThreadPoolExecutor(THREADS) as pool:
            told = list(pool.map(lambda _: found.keys(), range(THREADS)))

        assert told == [want("A")] * THREADS
        assert len(script.requests) == 1


def test_a_role_that_may_only_write_is_asked_for_once_by_all_its_uploads(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    answers = [sts(given(name)) for name in "ABCDEFGH"]
    with (
        scripted_server(*answers) as service,
        scripted_server(*[answer(403)] * 20) as s3,
    ):
        found = as_service_account(monkeypatch, service, tmp_path)
        pool = HttpPool(timeouts=TIMEOUTS, size=1, environ={})
        requests = S3Requests(
            pool=pool,
            credentials=SettingCredentials(s3=S3Account(endpoint=s3.url)),
            environment=found,
            now=lambda: datetime.now(UTC),
        )
        head = S3Request(method="HEAD", location=parse_location("s3://b/k"), key="k")

        for _ in range(10):
            with pytest.raises(StorageError, match="access denied"):
                requests.call(head)

        assert len(service.requests) == 2
        pool.close()


def test_keys_that_cannot_be_renewed_for_the_moment_are_used_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, seconds: Seconds
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    soon = given("A", timedelta(minutes=2))
    with scripted_server(sts(soon), answer(503), sts(given("B"))) as script:
        found = as_service_account(monkeypatch, script, tmp_path, seconds)
        assert found.keys() == want("A")
        seconds.now += 1

        assert [found.keys() for _ in range(10)] == [want("A")] * 10
        assert len(script.requests) == 2
        seconds.now += 10
        assert found.keys() == want("B")
