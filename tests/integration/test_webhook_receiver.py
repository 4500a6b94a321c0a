"""The receiver that the documents show, with many events at once."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from programs.ports import free_port
from programs.webhook_receiver import WebhookReceiver
from tesk_scheduler.adapters.webhooks.signing import signed_headers

KEY = b"key of the receivers of a test"
SECRET = "whsec_a2V5IG9mIHRoZSByZWNlaXZlcnMgb2YgYSB0ZXN0"


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[WebhookReceiver]:
    """Start a receiver; end it after the test."""
    (tmp_path / "key").write_text(SECRET)
    started = WebhookReceiver(tmp_path, free_port())
    yield started
    started.end()


def send(client: httpx.Client, url: str, event_id: str) -> int:
    body = json.dumps({"id": event_id}).encode()
    headers = signed_headers(event_id, body, [KEY], datetime.now(UTC))
    return client.post(url, content=body, headers=headers).status_code


def test_each_of_many_events_at_once_is_a_line_and_none_is_twice(
    receiver: WebhookReceiver,
) -> None:
    # Each comes twice, and the two are under way together.
    ids = [f"event-{number // 2}" for number in range(1000)]
    url = receiver.url
    with httpx.Client(trust_env=False) as client, ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda each: send(client, url, each), ids))

    assert set(answers) == {204}
    received = [each["id"] for each in receiver.events()]
    assert sorted(received) == sorted(set(ids))
