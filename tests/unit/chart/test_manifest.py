"""``make manifest``: one file for those without helm."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from charts.kubernetes_schema import VERSIONS, problems

ROOT = Path(__file__).parents[3]


def make_manifest(out: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    script = str(ROOT / "scripts" / "make_manifest.py")
    command = [sys.executable, script, str(out), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def objects_of(out: Path) -> list[dict[str, Any]]:
    return [each for each in yaml.safe_load_all(out.read_text()) if each]


def token_of(out: Path) -> str:
    (token,) = [
        str(each["stringData"]["token"])
        for each in objects_of(out)
        if each["kind"] == "Secret"
    ]
    return token


def test_it_brings_its_own_namespace(tmp_path: Path) -> None:
    out = tmp_path / "tesk.yaml"
    done = make_manifest(out)
    assert done.stdout == f"kubectl apply -f {out}\n"
    namespace, *others = objects_of(out)
    assert (namespace["kind"], namespace["metadata"]["name"]) == ("Namespace", "tesk")
    assert {each["metadata"].get("namespace", "tesk") for each in others} == {"tesk"}
    assert "the-namespace" not in out.read_text()


def test_a_namespace_of_somebody_else_is_no_part_of_it(tmp_path: Path) -> None:
    """``kubectl delete -f`` would delete it, and all that others have there."""
    out = tmp_path / "tesk.yaml"
    make_manifest(out, "science")
    objects = objects_of(out)
    places = {each["metadata"].get("namespace", "science") for each in objects}
    assert places == {"science"}
    assert "Namespace" not in {each["kind"] for each in objects}


def test_each_gets_a_token_of_its_own_that_is_kept_when_it_is_made_again(
    tmp_path: Path,
) -> None:
    first, second = tmp_path / "a.yaml", tmp_path / "b.yaml"
    for out in (first, second):
        make_manifest(out)
    before = first.read_text()
    assert len(token_of(first)) >= 32
    assert token_of(first) != token_of(second)
    make_manifest(first)
    assert first.read_text() == before


def test_the_file_with_the_token_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    out = tmp_path / "tesk.yaml"
    make_manifest(out)
    assert out.stat().st_mode & 0o077 == 0


def test_another_token_rolls_the_pods(tmp_path: Path) -> None:
    first, second = tmp_path / "a.yaml", tmp_path / "b.yaml"
    checksums = []
    for out in (first, second):
        make_manifest(out)
        (checksum,) = {
            each["spec"]["template"]["metadata"]["annotations"]["checksum/token"]
            for each in objects_of(out)
            if each["kind"] == "Deployment"
        }
        checksums.append(checksum)
    assert checksums[0] != checksums[1]


@pytest.mark.parametrize("name", ["Science", "a b", "-a", "a" * 64])
def test_a_name_that_no_namespace_can_have_is_refused(
    name: str, tmp_path: Path
) -> None:
    done = make_manifest(tmp_path / "tesk.yaml", "--", name)
    assert done.returncode != 0
    assert "cannot be a namespace" in done.stderr


@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_takes_every_object(version: str, tmp_path: Path) -> None:
    make_manifest(tmp_path / "tesk.yaml")
    _, *others = objects_of(tmp_path / "tesk.yaml")
    assert [found for each in others for found in problems(each, version)] == []
