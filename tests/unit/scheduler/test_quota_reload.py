"""A quota in a file is followed: a good one is in force, a bad one changes nothing."""

import logging
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from programs.waiting import eventually
from tesk_runtime.document_loading import MAX_BYTES
from tesk_scheduler.adapters.quota_file import QuotaFile
from tesk_scheduler.domain.quota import Limit
from tesk_scheduler.domain.quota_warnings import quota_warnings
from tesk_scheduler.quota_config.conversion import quota_from_settings
from tesk_scheduler.quota_config.loading import load_quota

TWO, THREE = "users: {alice: {running: 2}}", "users: {alice: {running: 3}}"


class Followed:
    """A file that is followed, and what is heard of it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.registry = CollectorRegistry()
        self.notified = 0
        self.quotas = QuotaFile(
            path,
            machine_capacity=Limit(),
            changed=self._changed,
            registry=self.registry,
        )

    def _changed(self) -> None:
        self.notified += 1

    def write(self, text: str) -> None:
        self.path.write_text(text)
        self.quotas.check()

    @property
    def running(self) -> float:
        """The limit of alice."""
        return self.quotas.current().users["alice"][0]

    def metric(self, name: str) -> str:
        lines = generate_latest(self.registry).decode().splitlines()
        (found,) = [line for line in lines if line.startswith(f"{name} ")]
        return found.split()[-1]


@pytest.fixture
def followed(tmp_path: Path) -> Followed:
    """Follow a file that lets alice run two tasks."""
    path = tmp_path / "quota.yaml"
    path.write_text(TWO)
    return Followed(path)


def said(caplog: pytest.LogCaptureFixture, message: str) -> list[Any]:
    return [each for each in caplog.records if each.message.startswith(message)]


def test_a_change_is_in_force_and_logged_as_a_difference(
    followed: Followed, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        followed.write(THREE)

    assert followed.running == 3
    assert followed.notified == 1
    (line,) = said(caplog, "quota changed")
    assert line.changes == ["users.alice.running: 2 → 3"]
    followed.quotas.check()
    assert followed.notified == 1


def test_a_bad_file_is_refused_with_all_its_errors_and_told_once(
    followed: Followed, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        followed.write("{users: {alice: {running: many}}, oder: strict}")
        followed.quotas.check()

    assert followed.running == 2
    assert followed.notified == 0
    (line,) = said(caplog, "quota refused")
    assert [each.partition(":")[0] for each in line.problems[:1]] == [
        "users.alice.running"
    ]
    assert len(line.problems) == 2
    assert followed.metric("tesk_scheduler_quota_valid") == "0.0"

    followed.write(THREE)

    assert followed.running == 3
    assert followed.metric("tesk_scheduler_quota_valid") == "1.0"


def test_a_file_that_is_as_it_was_again_is_valid_again(followed: Followed) -> None:
    followed.write("users: [")

    followed.write(TWO)

    assert followed.running == 2
    assert followed.metric("tesk_scheduler_quota_valid") == "1.0"


def test_a_file_that_has_gone_changes_nothing(
    followed: Followed, caplog: pytest.LogCaptureFixture
) -> None:
    followed.path.unlink()

    for _ in range(2):
        followed.quotas.check()

    assert followed.running == 2
    (line,) = said(caplog, "quota refused")
    assert "cannot be read" in line.problems[0]


NO_TEXT = {
    "a name in Latin-1": (b"users: {al\xefce: {running: 0}}", "is not text in UTF-8"),
    "UTF-16": (THREE.encode("utf-16"), "is not text in UTF-8"),
    "too much, cut within a character": (
        b"#" + "ä".encode() * MAX_BYTES,
        "must be at most 1,048,576 bytes",
    ),
}


@pytest.mark.parametrize(("data", "want"), NO_TEXT.values(), ids=NO_TEXT)
def test_a_file_that_is_no_text_is_refused_and_told_once(
    data: bytes, want: str, followed: Followed, caplog: pytest.LogCaptureFixture
) -> None:
    followed.path.write_bytes(data)

    for _ in range(2):
        followed.quotas.check()

    assert followed.running == 2
    (line,) = said(caplog, "quota refused")
    assert line.problems == [want]
    assert followed.metric("tesk_scheduler_quota_valid") == "0.0"
    with pytest.raises(ValueError, match=f"quota.file: .*\n- {want}"):
        Followed(followed.path)


def test_a_mounted_map_whose_links_are_exchanged_is_followed(tmp_path: Path) -> None:
    for name, text in (("..one", TWO), ("..two", THREE)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "quota.yaml").write_text(text)
    (tmp_path / "..data").symlink_to("..one")
    (tmp_path / "quota.yaml").symlink_to("..data/quota.yaml")
    followed = Followed(tmp_path / "quota.yaml")
    followed.quotas.start()

    (tmp_path / "..new").symlink_to("..two")
    (tmp_path / "..new").rename(tmp_path / "..data")

    eventually(lambda: followed.running == 3)
    followed.quotas.close()


def test_a_bad_file_stops_the_start_with_all_errors(tmp_path: Path) -> None:
    path = tmp_path / "quota.yaml"
    path.write_text("{order: fifo, users: {'': {}}, rate: {burst: 0}}")

    with pytest.raises(
        ValueError, match=r"quota.file: .*\n- order: .*\n- rate.burst: "
    ):
        Followed(path)
    with pytest.raises(ValueError, match=r"quota.file: .*No such file"):
        Followed(tmp_path / "none.yaml")


def test_more_guaranteed_than_there_is_is_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    text = """
    capacity: {cpu: 10}
    limits:
      - {match: {group: a}, guaranteed: {cpu: 6}}
      - {match: {user: b}, guaranteed: {cpu: 5, gpu: 3}}
    """
    quota = quota_from_settings(load_quota(text), Limit())

    (warning,) = quota_warnings(quota)
    assert warning.startswith("guaranteed: 11 cpu in all, of 10 that there are")
    (tmp_path / "quota.yaml").write_text(text)
    Followed(tmp_path / "quota.yaml")
    assert len(said(caplog, "quota is doubtful")) == 1
