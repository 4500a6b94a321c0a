"""What docs/webhooks.md shows works: its file, its values, and how events are verified."""

import base64
import hashlib
import hmac
import re
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from tesk_scheduler.adapters.webhooks.signing import signed_headers
from tesk_scheduler.webhook_config.settings import WebhookSettings
from tesk_scheduler.webhook_config.targets import load_targets

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "webhooks.md").read_text("utf-8")
VALUES: dict[str, Any] = yaml.safe_load(
    (ROOT / "helm" / "tesk" / "values.yaml").read_text("utf-8")
)
KEY = b"k" * 32


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_the_file_of_the_page_is_one() -> None:
    targets = load_targets(blocks("yaml")[0], plain_http=False)

    assert [each.name for each in targets.all] == ["portal", "genomics", "ci"]


def test_the_values_of_the_page_are_values_of_the_chart() -> None:
    values = yaml.safe_load(blocks("yaml")[1])

    assert values["webhooks"].keys() <= VALUES["webhooks"].keys()
    opened = values["networkPolicy"]["scheduler"]["webhooks"]
    assert opened == VALUES["networkPolicy"]["scheduler"]["webhooks"]


def test_the_settings_that_the_page_names_are_there() -> None:
    named = set(re.findall(r"`webhooks\.([a-z_]+)`", PAGE)) - {"yaml"}

    assert named
    assert named <= set(WebhookSettings.__struct_fields__)


FORGERIES = {
    "as it was sent": ({}, b"{}", True),
    "another body": ({}, b"{ }", False),
    "another id": ({"webhook-id": "other"}, b"{}", False),
    "another time": ({"webhook-timestamp": str(int(time.time()) - 9)}, b"{}", False),
    "long ago": ({"webhook-timestamp": "1614265330"}, b"{}", False),
    "no signature": ({"webhook-signature": ""}, b"{}", False),
    "a signature that is none": ({"webhook-signature": "v1,x v2,é"}, b"{}", False),
}


@pytest.mark.parametrize(("changed", "body", "want"), FORGERIES.values(), ids=FORGERIES)
def test_a_receiver_as_the_page_has_it_accepts_what_is_signed_alone(
    changed: dict[str, str],
    body: bytes,
    want: bool,
) -> None:
    names: dict[str, Any] = {
        "base64": base64,
        "hashlib": hashlib,
        "hmac": hmac,
        "time": time,
    }
    exec(blocks("python")[0], names)  # noqa: S102 - what the page shows is tried
    secret = "whsec_" + base64.b64encode(KEY).decode()
    headers = signed_headers("e.1", b"{}", [b"o" * 32, KEY], datetime.now(UTC))

    assert names["is_signed"]({**headers, **changed}, body, secret) is want
