"""The file of webhooks is read whole, or all that is wrong is told; secrets are files."""

import base64
from datetime import UTC, datetime
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from standardwebhooks import Webhook

from builders.scheduler_tasks import NOON
from tesk_model.states import TaskState
from tesk_runtime.document_loading import InvalidDocumentError
from tesk_scheduler.adapters.webhooks.signing import (
    SecretError,
    SecretFiles,
    signed_headers,
)
from tesk_scheduler.adapters.webhooks.targets_file import TargetsFile
from tesk_scheduler.webhook_config.settings import WebhookSettings
from tesk_scheduler.webhook_config.targets import load_targets

WHOLE = """
webhooks:
  targets:
    - {name: lab, url: https://hooks.example.org/tesk, secrets: [new, old],
       groups: [genomics], states: [COMPLETE, CANCELED]}
    - {name: all, url: https://all.example.org, secrets: [new]}
  tasks:
    - {name: ci, urls: [https://ci.example.org/hooks], secrets: [ci], users: [anna]}
"""
KEY = "whsec_" + base64.b64encode(b"k" * 32).decode()


def problems_of(text: str) -> list[str]:
    with pytest.raises(InvalidDocumentError) as refused:
        load_targets(text, plain_http=False)
    return [str(each) for each in refused.value.problems]


def test_every_part_is_read() -> None:
    targets = load_targets(WHOLE, plain_http=False)

    assert [each.name for each in targets.all] == ["lab", "all", "ci"]
    lab = targets.find("lab")
    assert lab is not None
    assert lab.secrets == ("new", "old")
    assert lab.audience.groups == {"genomics"}
    assert lab.audience.states == {TaskState.COMPLETE, TaskState.CANCELED}
    assert not load_targets("{}", plain_http=False)


def test_all_that_is_wrong_is_told() -> None:
    text = """
    targets:
      - {name: a, url: http://plain.example.org/s3cr3t, secrets: [k]}
      - {name: a, url: https://u:pw@h.example.org/, secrets: [k]}
    tasks:
      - {name: b, urls: ["http://", "ftp://x/", "https://x/../y"], secrets: [k]}
    """

    found = problems_of(text)

    assert [each.partition(":")[0] for each in found] == [
        'the name "a" is given twice',
        "targets[0].url",
        "targets[1].url",
        "tasks[0].urls[0]",
        "tasks[0].urls[1]",
        "tasks[0].urls[2]",
    ]
    assert "s3cr3t" not in str(found)
    assert "pw" not in str(found)


WRONG = {
    "no secret": "{name: a, url: https://x.example.org}",
    "a name of a path": "{name: ../a, url: https://x.example.org, secrets: [k]}",
    "a secret of a path": "{name: a, url: https://x.example.org, secrets: [../k]}",
    "an unknown state": "{name: a, url: https://x.org, secrets: [k], states: [DONE]}",
    "an unknown field": "{name: a, url: https://x.org, secrets: [k], user: anna}",
}


@pytest.mark.parametrize("entry", WRONG.values(), ids=WRONG)
def test_a_wrong_entry_is_refused(entry: str) -> None:
    (found,) = problems_of(f"targets: [{entry}]")

    assert found.startswith("targets[0]")


def test_http_can_be_allowed() -> None:
    text = "targets: [{name: a, url: http://x.example.org/, secrets: [k]}]"

    assert load_targets(text, plain_http=True)
    assert problems_of(text)


def test_a_signature_is_that_of_the_specification() -> None:
    # The vector that implementations of Standard Webhooks share.
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    sent = datetime.fromtimestamp(1614265330, UTC)

    headers = signed_headers(
        "msg_p5jXN8AQM9LWM0D4loKWxJek", b'{"test": 2432232314}', [key], sent
    )

    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_a_receiver_with_either_secret_verifies_while_they_are_exchanged() -> None:
    keys = [b"a" * 32, b"b" * 32]
    body = '{"text": "ä"}'.encode()

    headers = dict(signed_headers("e", body, keys, NOON))

    signatures = headers["webhook-signature"].split()
    for key, signature in zip(keys, signatures, strict=True):
        assert signature == Webhook(key).sign("e", NOON, body.decode())
    assert len(set(signatures)) == 2


def test_secrets_are_read_anew_each_time(tmp_path: Path) -> None:
    secrets = SecretFiles(tmp_path)
    (tmp_path / "k").write_text(KEY)
    before = secrets.read("k")
    (tmp_path / "k").write_text(base64.b64encode(b"n" * 24).decode() + "\n")

    assert before == b"k" * 32
    assert secrets.read("k") == b"n" * 24


BAD_SECRETS = {
    "too short": base64.b64encode(b"k" * 23).decode(),
    "too long": base64.b64encode(b"k" * 65).decode(),
    "not base64": "whsec_not base64!",
    "not text": "\u00e9",
    "empty": "",
}


@pytest.mark.parametrize("text", BAD_SECRETS.values(), ids=BAD_SECRETS)
def test_a_secret_that_is_none_is_refused_without_showing_it(
    text: str, tmp_path: Path
) -> None:
    (tmp_path / "k").write_text(text)

    with pytest.raises(SecretError, match='the secret "k" must be') as refused:
        SecretFiles(tmp_path).read("k")

    assert not text or text not in str(refused.value)


def test_the_file_is_followed_and_its_secrets_must_be_there(tmp_path: Path) -> None:
    file, notified = tmp_path / "webhooks.yaml", []
    file.write_text("targets: [{name: a, url: https://a.example.org, secrets: [k]}]")

    def open_file() -> TargetsFile:
        return TargetsFile(
            file,
            secrets=SecretFiles(tmp_path),
            plain_http=False,
            changed=lambda: notified.append(1),
            registry=CollectorRegistry(),
        )

    with pytest.raises(ValueError, match=r'webhooks.file: .*\n- the secret "k" cannot'):
        open_file()
    (tmp_path / "k").write_text(KEY)
    targets = open_file()
    file.write_text(WHOLE)
    targets.check()
    refused = targets.current()
    for name in ("new", "old", "ci"):
        (tmp_path / name).write_text(KEY)
    file.write_text(WHOLE + "\n")
    targets.check()

    assert refused.find("a")
    assert targets.current().find("lab")
    assert len(notified) == 2


def test_settings_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="secrets: must name"):
        WebhookSettings(file="x")
