"""Settings of the scheduler that follow from each other."""

import subprocess
import sys
from datetime import timedelta
from typing import Any

import pytest

from tesk_runtime.settings import SettingsError, load
from tesk_scheduler.config import SchedulerSettings, Settings

STARTS: dict[str, tuple[dict[str, Any], int]] = {
    "a process": ({}, 60),
    "a process under a long lease": ({"lease": timedelta(seconds=90)}, 90),
    "a pod, for which a node may have to come": ({"launcher": "kubernetes"}, 600),
    "as it is set": (
        {"launcher": "kubernetes", "start_timeout": timedelta(seconds=120)},
        120,
    ),
    "never less than a lease": ({"start_timeout": timedelta(seconds=1)}, 30),
}


@pytest.mark.parametrize(("given", "want"), STARTS.values(), ids=STARTS)
def test_effective_start_timeout(given: dict[str, Any], want: int) -> None:
    assert SchedulerSettings(**given).effective_start_timeout == timedelta(seconds=want)


def test_start_timeout_is_not_negative() -> None:
    environ = {"TESK_SCHEDULER_START_TIMEOUT": "-1"}

    with pytest.raises(SettingsError, match=r"start_timeout .* must not be negative"):
        load(Settings, environ)


def test_the_client_of_clusters_is_not_loaded_on_one_machine() -> None:
    program = "import sys, tesk_scheduler.main; sys.exit('kubernetes' in sys.modules)"

    done = subprocess.run([sys.executable, "-c", program], check=False)

    assert done.returncode == 0
