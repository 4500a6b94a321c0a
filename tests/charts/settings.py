"""What the services of an installation load of the values of the chart."""

import importlib
from pathlib import Path
from typing import Any

from charts.rendering import Values, find, render, setting_files
from tesk_runtime import settings
from tesk_scheduler.quota_config.loading import load_quota
from tesk_scheduler.quota_config.settings import QuotaSettings


def loaded_settings(values: Values, tmp_path: Path) -> dict[str, Any]:
    """Return the settings of each service, as it would load them in its pod."""
    found = {}
    for service, text in setting_files(render(values)):
        file = tmp_path / f"{service}.yaml"
        file.write_text(text, encoding="utf-8")
        kind = importlib.import_module(f"tesk_{service}.config").Settings
        found[service] = settings.load(kind, {"TESK_CONFIG": str(file)})
    return found


def loaded_quota(values: Values) -> QuotaSettings:
    """Return the quota, as the scheduler loads it in its pod."""
    config_map = find(render(values), "ConfigMap", "tesk-scheduler")
    return load_quota(config_map["data"]["quota.yaml"])
