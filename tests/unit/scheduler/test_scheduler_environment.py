"""What taskmasters get to see of the scheduler's surroundings."""

from pathlib import Path

import pytest

from tesk_runtime.sections import GrpcSettings
from tesk_scheduler.config import SchedulerSettings, Settings, taskmaster_environment

ADDRESSES = {
    "where it listens": ("unix:/run/s", "", "unix:/run/s"),
    "a name for everywhere": ("0.0.0.0:7071", "", "127.0.0.1:7071"),
    "what the settings say": ("0.0.0.0:7071", "dns:///host:1", "dns:///host:1"),
}


@pytest.mark.parametrize(
    ("listen", "setting", "want"), ADDRESSES.values(), ids=ADDRESSES
)
def test_the_address(listen: str, setting: str, want: str) -> None:
    grpc = GrpcSettings(scheduler=setting) if setting else GrpcSettings()
    settings = Settings(grpc=grpc, scheduler=SchedulerSettings(listen=listen))

    environment = taskmaster_environment(settings, {}, Path("/home"))

    assert environment == {"TESK_GRPC_SCHEDULER": want, "TESK_HOME": "/home"}


def test_the_database_is_hidden_from_taskmasters() -> None:
    environ = {"PATH": "/bin", "TESK_SCHEDULER_DATABASE": "postgresql://u:p@h/d"}

    environment = taskmaster_environment(Settings(), environ, Path("/home"))

    assert "TESK_SCHEDULER_DATABASE" not in environment
    assert environment["PATH"] == "/bin"
