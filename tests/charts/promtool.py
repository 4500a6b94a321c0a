"""Prometheus' own judgement of alerts, by the promtool that ``make promtool`` builds."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

PROMTOOL = Path(__file__).parents[2] / "build" / "promtool" / "promtool"

Rule = Mapping[str, Any]
Scrape = Mapping[str, float]
"""Values by series, as Prometheus writes these: ``name{label="value"}``."""

needs_promtool = pytest.mark.skipif(
    not PROMTOOL.exists(), reason="promtool is not built: make promtool"
)


def check_rules(folder: Path, groups: Sequence[Mapping[str, Any]]) -> None:
    """Let promtool parse rules; fail with all that it finds wrong."""
    rules = _write(folder / "rules.yaml", {"groups": groups})
    _run("check", "rules", "--lint=all", "--lint-fatal", str(rules))


def check_firing(
    folder: Path,
    groups: Sequence[Mapping[str, Any]],
    scrapes: Sequence[Scrape],
    firing: set[str],
) -> None:
    """Fail unless, after scrapes a minute apart, exactly these alerts fire."""
    rules = _write(folder / "rules.yaml", {"groups": groups})
    series = sorted({name for scrape in scrapes for name in scrape})
    test = {
        "interval": "1m",
        "input_series": [
            {"series": each, "values": _values(each, scrapes)} for each in series
        ],
        "alert_rule_test": [
            {
                "eval_time": f"{len(scrapes) - 1}m",
                "alertname": rule["alert"],
                "exp_alerts": [_expected(rule)] if rule["alert"] in firing else [],
            }
            for group in groups
            for rule in group["rules"]
        ],
    }
    content = {
        "rule_files": [str(rules)],
        "evaluation_interval": "1m",
        "tests": [test],
    }
    _run("test", "rules", str(_write(folder / "test.yaml", content)))


def _values(series: str, scrapes: Sequence[Scrape]) -> str:
    """Return the notation of a series; ``_`` where a scrape lacks it."""
    found = [scrape.get(series) for scrape in scrapes]
    return " ".join("_" if each is None else repr(each) for each in found)


def _expected(rule: Rule) -> dict[str, Any]:
    return {"exp_labels": rule["labels"], "exp_annotations": rule["annotations"]}


def _write(path: Path, content: Mapping[str, Any]) -> Path:
    path.write_text(yaml.safe_dump(content), "utf-8")
    return path


def _run(*arguments: str) -> None:
    done = subprocess.run(
        [str(PROMTOOL), *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
