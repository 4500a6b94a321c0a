from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from tesk_model.quantities import GIB, ByteCount
from tesk_runtime.settings import SettingsError, load
from tesk_scheduler.domain.quota import Amounts, Demand, Limit, Quota
from tesk_scheduler.quota_config.conversion import quota_from_settings
from tesk_scheduler.quota_config.settings import QuotaSettings, names_beside_file

MACHINE = Limit(cpu_millis=2000, ram=ByteCount(8 * GIB))


class Settings(msgspec.Struct, frozen=True):
    quota: QuotaSettings = QuotaSettings()


def read(
    text: str, folder: Path, environ: Mapping[str, str] | None = None
) -> QuotaSettings:
    file = folder / "settings.yaml"
    file.write_text(text)
    return load(Settings, {"TESK_CONFIG": str(file), **(environ or {})}).quota


def test_without_settings_the_machine_is_the_only_limit() -> None:
    assert quota_from_settings(QuotaSettings(), MACHINE) == Quota(capacity=MACHINE)


def test_without_a_bound_nothing_is_found_out() -> None:
    settings = QuotaSettings(capacity="unlimited")

    assert quota_from_settings(settings, MACHINE) == Quota(finds_capacity=False)


def test_the_reserve_on_each_node_can_be_set(tmp_path: Path) -> None:
    usual = quota_from_settings(QuotaSettings(), MACHINE)
    settings = read(
        "quota: {node_reserve: {cpu: 0.5, pods: 20}, capacity: {cpu: 8}}", tmp_path
    )
    quota = quota_from_settings(settings, MACHINE)

    assert usual.node_reserve == Amounts(cpu_millis=200, ram=GIB // 4, running=5)
    assert quota.node_reserve == Amounts(cpu_millis=500, ram=GIB // 4, running=20)
    assert quota.given == Limit(cpu_millis=8000)


def test_reserve_after_is_read_under_its_old_name(tmp_path: Path) -> None:
    settings = read("quota: {patience: 30}", tmp_path)

    assert settings.reserve_after == timedelta(seconds=30)


def test_every_limit_can_be_set(tmp_path: Path) -> None:
    settings = read(
        """
        quota:
          everybody: {running: 100, queued: 5000}
          users:
            "*": {running: 20, queued: 1000, cpu: 16.5, ram_gb: 64, disk_gb: 500}
            root: {}
          groups:
            genomics: {running: 50}
          per_task: {cpu: 8, ram_gb: 0.5}
          capacity: {cpu: 4, running: 3}
          reserve_after: 30
        """,
        tmp_path,
    )

    assert quota_from_settings(settings, MACHINE) == Quota(
        reserve_after=timedelta(seconds=30),
        given=Limit(cpu_millis=4000, running=3),
        everybody=Limit(running=100, queued=5000),
        users={
            "*": Limit(
                running=20,
                queued=1000,
                cpu_millis=16_500,
                ram=ByteCount(64 * GIB),
                disk=ByteCount(500 * GIB),
            ),
            "root": Limit(),
        },
        groups={"genomics": Limit(running=50)},
        per_task=Limit(cpu_millis=8000, ram=ByteCount(GIB // 2)),
        capacity=Limit(cpu_millis=4000, ram=ByteCount(8 * GIB), running=3),
    )


ENVIRONMENT: dict[str, tuple[str, str, Quota]] = {
    "limits of users": (
        "TESK_QUOTA_USERS",
        "{alice: {running: 2}}",
        Quota(users={"alice": Limit(running=2)}, capacity=MACHINE),
    ),
    "capacity as amounts": (
        "TESK_QUOTA_CAPACITY",
        "{cpu: 64, ram_gb: 1}",
        Quota(
            capacity=Limit(cpu_millis=64_000, ram=ByteCount(GIB)),
            given=Limit(cpu_millis=64_000, ram=ByteCount(GIB)),
        ),
    ),
    "capacity as a word": ("TESK_QUOTA_CAPACITY", "auto", Quota(capacity=MACHINE)),
}


@pytest.mark.parametrize(
    ("variable", "text", "want"), ENVIRONMENT.values(), ids=ENVIRONMENT
)
def test_the_environment_takes_yaml(variable: str, text: str, want: Quota) -> None:
    settings = load(Settings, {variable: text}).quota

    assert quota_from_settings(settings, MACHINE) == want


REFUSED: dict[str, tuple[str, str]] = {
    "an unknown setting": (
        "{user: {}}",
        'quota: .*unknown field "user", perhaps for "users"',
    ),
    "an unknown amount": (
        "{everybody: {cpus: 1}}",
        'quota.everybody .*"cpus", perhaps for "cpu"',
    ),
    "an unknown amount of a user": (
        "{users: {a: {cpus: 1}}}",
        'quota.users.*"cpus", perhaps for "cpu"',
    ),
    "a count for one task": ("{per_task: {running: 1}}", 'quota.per_task .*"running"'),
    "a negative amount": (
        "{everybody: {cpu: -1}}",
        "quota.everybody.cpu: must be at least 0",
    ),
    "a negative count": ("{users: {a: {running: -1}}}", r"running: must be at least 0"),
    "not a number": ("{everybody: {ram_gb: .nan}}", "quota.everybody.ram_gb: "),
    "infinite": ("{everybody: {ram_gb: .inf}}", "quota.everybody.ram_gb: "),
    "half a task": ("{everybody: {running: 1.5}}", "quota.everybody.running: "),
    "a text": ("{everybody: {cpu: many}}", "quota.everybody.cpu: must be .*, not text"),
    "another word": (
        "{capacity: machine}",
        "quota.capacity .* must be one of auto, unlimited, or a mapping",
    ),
    "a user without name": ("{users: {'': {}}}", r"users \(.*\): a name is empty"),
    "a group without name": ("{groups: {'': {}}}", r"groups \(.*\): a name is empty"),
    "nothing of anything": (
        "{users: {a: {running: 0, queued: 0, cpu: 0, ram_gb: 0, disk_gb: 0}}}",
        "every amount is 0",
    ),
    "no task may run": ("{everybody: {running: 0}}", "everybody.running: 0 would"),
    "no task may be queued": ("{everybody: {queued: 0}}", "everybody.queued: 0 would"),
    "no cpu for a task": ("{per_task: {cpu: 0}}", "per_task.cpu: 0 would"),
    "no memory at all": ("{capacity: {ram_gb: 0}}", "capacity.ram_gb: 0 would"),
    "tasks that count for nothing": ("{defaults: {cpu: 0}}", "quota.defaults.cpu: "),
    "negative reserve_after": (
        "{reserve_after: -1}",
        r"reserve_after \(.*\): must not be negative",
    ),
}


@pytest.mark.parametrize(("text", "want"), REFUSED.values(), ids=REFUSED)
def test_an_invalid_quota_is_refused_by_name(
    text: str, want: str, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError, match=want):
        read(f"quota: {text}", tmp_path)


def test_a_user_can_be_shut_out(tmp_path: Path) -> None:
    settings = read("quota: {users: {mallory: {running: 0, queued: 0}}}", tmp_path)

    assert quota_from_settings(settings, MACHINE).users == {
        "mallory": Limit(running=0, queued=0)
    }


DEFAULTS: dict[str, tuple[str, Limit, Demand]] = {
    "as in the code": (
        "quota: {}",
        Limit(),
        Demand(cpu_millis=1000, ram=ByteCount(2 * GIB), disk=ByteCount(GIB)),
    ),
    "as set": (
        "quota: {defaults: {cpu: 0.5, ram_gb: 1, disk_gb: 0}}",
        Limit(),
        Demand(cpu_millis=500, ram=ByteCount(GIB), disk=ByteCount(0)),
    ),
    "no more than the machine has": (
        "quota: {}",
        Limit(ram=ByteCount(GIB)),
        Demand(cpu_millis=1000, ram=ByteCount(GIB), disk=ByteCount(GIB)),
    ),
    "no more than one task may": (
        "quota: {per_task: {cpu: 0.25}, everybody: {disk_gb: 1}}",
        Limit(),
        Demand(cpu_millis=250, ram=ByteCount(2 * GIB), disk=ByteCount(GIB)),
    ),
}


@pytest.mark.parametrize(("text", "machine", "want"), DEFAULTS.values(), ids=DEFAULTS)
def test_a_task_without_resources_counts_for_the_defaults(
    text: str, machine: Limit, want: Demand, tmp_path: Path
) -> None:
    settings = read(text, tmp_path)

    assert quota_from_settings(settings, machine).default_demand == want


def test_what_is_given_beside_the_file_of_the_whole_quota_is_named(
    tmp_path: Path,
) -> None:
    beside = read(
        "quota: {file: q.yaml, users: {a: {cpu: 1}}, order: strict}", tmp_path
    )
    alone = read("quota: {file: q.yaml}", tmp_path)

    assert names_beside_file(beside) == ["users", "order"]
    assert names_beside_file(alone) == []
