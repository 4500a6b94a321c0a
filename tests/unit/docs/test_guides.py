"""The guides to Kubernetes name values, metrics and files that are there."""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tesk_filer.adapters.storage.credential_document import entry_of
from tesk_model.schemes import SCHEMES, Use

ROOT = Path(__file__).parents[3]
CHART = ROOT / "helm" / "tesk"
VALUES: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))
SCHEMA = json.loads((CHART / "values.schema.json").read_text("utf-8"))
GUIDES = (
    *("install", "storage", "operating", "security", "troubleshooting", "api"),
    *(f"clients/{path.stem}" for path in (ROOT / "docs/clients").glob("*.md")),
)
PAGES = {
    name: (ROOT / "docs" / f"{name}.md").read_text("utf-8")
    for name in (*GUIDES, "architecture")
}
# The sections that hold what the chart does not look into.
_OPEN = {"quota"}

_VALUE = re.compile(r"`([a-z][A-Za-z0-9]*(?:\.[A-Za-z0-9]+)+)(?:: [^`…]*)?`")
_BLOCK = re.compile(r"^( *)```yaml\n(.*?)^ *```", re.MULTILINE | re.DOTALL)


def _blocks() -> dict[str, str]:
    return {
        f"{name}-{number}": _without_margin(match)
        for name, text in PAGES.items()
        for number, match in enumerate(_BLOCK.finditer(text))
        if not name.startswith("clients/") or _is_of_the_chart(_without_margin(match))
    }


def _is_of_the_chart(text: str) -> bool:
    """Tell values of the chart from the configuration of an engine."""
    return set(yaml.safe_load(text)) <= set(VALUES)


def _without_margin(match: re.Match[str]) -> str:
    return re.sub(rf"^{match[1]}", "", match[2], flags=re.MULTILINE)


@pytest.mark.parametrize("name", GUIDES)
def test_values_that_a_guide_names_are_values_of_the_chart(name: str) -> None:
    named = {match[1] for match in _VALUE.finditer(PAGES[name])}

    assert [path for path in sorted(named) if _is_wrong(path)] == []


def test_values_that_replace_older_ones_are_values_of_the_chart() -> None:
    page = (ROOT / "docs/migrating.md").read_text("utf-8")
    rows = [line.split("|")[2] for line in page.splitlines() if line.startswith("| ")]
    named = {match[1] for row in rows for match in _VALUE.finditer(row)}

    assert [path for path in sorted(named) if _is_wrong(path)] == []


def _is_wrong(path: str) -> bool:
    first, *rest = path.split(".")
    if first not in VALUES or first in _OPEN:
        return False  # a setting, a file, or what others decide
    place = VALUES[first]
    for key in rest:
        if not isinstance(place, dict) or key not in place:
            return True
        place = place[key]
    return False


@pytest.mark.parametrize("text", _blocks().values(), ids=_blocks())
def test_examples_of_values_and_credentials_are_valid(text: str) -> None:
    document = yaml.safe_load(text)
    if list(document) != ["credentials"]:
        jsonschema.validate(document, SCHEMA)
        return
    for number, entry in enumerate(document["credentials"]):
        entry_of(_with_contents(entry), f"credentials[{number}]")


# What a file is taken to hold that an example names by `…File`.
_CONTENTS = {"privateKey": "-----BEGIN OPENSSH PRIVATE KEY-----", "gcs": "{}"}


def _with_contents(entry: dict[str, Any]) -> dict[str, Any]:
    return {
        kind: {
            name.removesuffix("File"): value
            if not name.endswith("File")
            else _CONTENTS.get(kind, "c2VjcmV0")
            for name, value in part.items()
        }
        if isinstance(part, dict)
        else part
        for kind, part in entry.items()
    }


def test_alerts_of_the_guide_are_those_of_the_chart() -> None:
    rules = (CHART / "templates/monitoring/alerts.yaml").read_text("utf-8")

    wanted = set(re.findall(r"alert: (\w+)", rules))

    assert (
        set(re.findall(r"^\| `(Tesk\w+)`", PAGES["operating"], re.MULTILINE)) == wanted
    )


@pytest.mark.parametrize("account", ["tesk-scheduler", "tesk-taskmaster"])
def test_rights_of_the_guide_are_those_of_the_roles(account: str) -> None:
    golden = (ROOT / "tests/golden/chart/defaults.yaml").read_text("utf-8")
    role = next(
        item
        for name, item in yaml.safe_load(golden).items()
        if name.startswith("Role/") and item["metadata"]["name"] == account
    )
    wanted: dict[str, set[str]] = {}
    for rule in role["rules"]:
        for resource in rule["resources"]:
            wanted.setdefault(resource, set()).update(rule["verbs"])

    assert _rights_in_table(account) == wanted


def _rights_in_table(account: str) -> dict[str, set[str]]:
    """Read ``jobs, pods: create, get. pods/log: get`` of an account's row."""
    row = re.search(
        rf"^\| `{account}` \|.*\| (.*) \|$", PAGES["security"], re.MULTILINE
    )
    assert row is not None
    return {
        resource: set(re.findall(r"\b(create|get|list|watch|delete)\b", verbs))
        for resources, verbs in (part.split(": ") for part in row[1].split(". "))
        for resource in resources.split(", ")
    }


def test_storage_lists_the_schemes_that_there_are() -> None:
    words = {True: "yes", False: "no"}
    rows = [
        f"| `{scheme.name}` | `{scheme.form}` | {words[scheme.reads]} "
        f"| {words[scheme.writes]} | {words[scheme.allows(Use.DIRECTORY)]} |"
        for scheme in SCHEMES.values()
    ]

    assert "\n".join(["|---|---|---|---|---|", *rows, ""]) in PAGES["storage"]
