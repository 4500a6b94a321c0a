"""Settings from file and environment."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated

import msgspec
import pytest
from msgspec import Meta

from tesk_runtime import settings


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    count: Annotated[int, Meta(ge=0, description="How many.")] = 3
    wait: timedelta = timedelta(seconds=1)
    on: bool = False
    roots: Annotated[
        tuple[str, ...], Meta(extra={"variable": "ROOTS", "separator": ":"})
    ] = ()
    table: dict[str, int] = {}


class Whole(msgspec.Struct, frozen=True, kw_only=True):
    api: Part = Part()


def test_defaults_stand_when_nothing_is_set() -> None:
    assert settings.load(Whole, {}) == Whole()


def test_the_environment_beats_the_file(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("api: {count: 5, wait: 2.5}\nfiler: {parallel: 4}\n")

    loaded = settings.load(Whole, {"TESK_CONFIG": str(file), "TESK_API_COUNT": "7"})

    assert loaded.api.count == 7
    assert loaded.api.wait == timedelta(seconds=2.5)


def test_text_of_the_environment_becomes_the_type_of_the_setting() -> None:
    loaded = settings.load(
        Whole,
        {
            "TESK_API_WAIT": "30",
            "TESK_API_ON": "true",
            "ROOTS": "/a:/b c",
            "TESK_API_TABLE": "{x: 1}",
        },
    )

    assert loaded.api == Part(
        wait=timedelta(seconds=30), on=True, roots=("/a", "/b c"), table={"x": 1}
    )


BAD = {
    "wrong type names the variable": ({"TESK_API_COUNT": "many"}, "TESK_API_COUNT"),
    "out of range names the setting": ({"TESK_API_COUNT": "-1"}, "api.count"),
    "a negative duration": (
        {"TESK_API_WAIT": "-0.1"},
        r"api\.wait \(TESK_API_WAIT\): must not be negative",
    ),
    "bad YAML in a variable": (
        {"TESK_API_TABLE": "{"},
        "TESK_API_TABLE: is not YAML",
    ),
    "lists without end in a variable": (
        {"TESK_API_TABLE": "[" * 30_000},
        "TESK_API_TABLE: is nested deeper than 100 levels",
    ),
    "missing file": ({"TESK_CONFIG": "/does/not/exist"}, "TESK_CONFIG"),
}


@pytest.mark.parametrize(("environ", "want"), BAD.values(), ids=BAD)
def test_a_bad_setting_is_named(environ: dict[str, str], want: str) -> None:
    with pytest.raises(settings.SettingsError, match=want):
        settings.load(Whole, environ)


BAD_FILES = {
    "unknown section": ("apii: {}", "apii"),
    "unknown name": ("api: {cuont: 1}", "cuont"),
    "no mapping": ("- a", "sections"),
    "a section that is no mapping": ("api: 3", "sections"),
    "no YAML": ("api: {", "settings.yaml: is not YAML"),
    "lists without end": ("[" * 30_000, "settings.yaml: is nested deeper than"),
}


@pytest.mark.parametrize(("text", "want"), BAD_FILES.values(), ids=BAD_FILES)
def test_a_typing_error_in_the_file_is_found(
    text: str, want: str, tmp_path: Path
) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(text)

    with pytest.raises(settings.SettingsError, match=want):
        settings.load(Whole, {"TESK_CONFIG": str(file)})


def test_every_setting_can_be_listed_for_the_documentation() -> None:
    first = settings.fields(Whole)[0]

    assert (first.section, first.name, first.variable) == (
        "api",
        "count",
        "TESK_API_COUNT",
    )
    assert first.description == "How many."
    assert first.default == 3


class Sort(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    node_selector: dict[str, str] = {}
    most_gpus: int = 0


class Sorts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    per_task: Sort | None = None
    by_name: dict[str, Sort] = {}
    all_sorts: tuple[Sort, ...] = ()


class Places(msgspec.Struct, frozen=True, kw_only=True):
    quota: Sorts = Sorts()


def test_names_may_be_written_as_kubernetes_writes_them(tmp_path: Path) -> None:
    ours = "node_selector: {nodeSelector: a}, most_gpus: 2"
    theirs = "nodeSelector: {nodeSelector: a}, mostGpus: 2"
    loaded = []
    for sort, task, names, sorts in (
        (ours, "per_task", "by_name", "all_sorts"),
        (theirs, "perTask", "byName", "allSorts"),
    ):
        file = tmp_path / f"{task}.yaml"
        document = f"{{{task}: {{{sort}}}, {names}: {{mostGpus: {{{sort}}}}}, "
        file.write_text(f"quota: {document}{sorts}: [{{{sort}}}]}}\n")
        loaded.append(settings.load(Places, {"TESK_CONFIG": str(file)}))

    assert loaded[0] == loaded[1]
    assert loaded[1].quota.by_name["mostGpus"].node_selector == {"nodeSelector": "a"}


def test_a_name_that_is_given_in_both_cases_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("quota: {perTask: {}, per_task: {}}\n")

    with pytest.raises(settings.SettingsError, match='unknown field "perTask"'):
        settings.load(Places, {"TESK_CONFIG": str(file)})


class Renamed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    retry_for: Annotated[int, Meta(extra={"old_name": "patience"})] = 3


class Service(msgspec.Struct, frozen=True, kw_only=True):
    filer: Renamed = Renamed()


OLD_NAMES = {
    "a file with the old name": ("filer: {patience: 5}", {}),
    "a file with the new name": ("filer: {retry_for: 5}", {}),
    "a file with the new name in camel case": ("filer: {retryFor: 5}", {}),
    "the old variable": ("{}", {"TESK_FILER_PATIENCE": "5"}),
    "the new variable before the old one": (
        "{}",
        {"TESK_FILER_PATIENCE": "4", "TESK_FILER_RETRY_FOR": "5"},
    ),
    "the new variable before a file with the old name": (
        "filer: {patience: 4}",
        {"TESK_FILER_RETRY_FOR": "5"},
    ),
    "the variable before a file with the name in camel case": (
        "filer: {retryFor: 4}",
        {"TESK_FILER_RETRY_FOR": "5"},
    ),
    "the old variable before a file with the new name in camel case": (
        "filer: {retryFor: 4}",
        {"TESK_FILER_PATIENCE": "5"},
    ),
    "the old variable before a file with the new name": (
        "filer: {retry_for: 4}",
        {"TESK_FILER_PATIENCE": "5"},
    ),
}


@pytest.mark.parametrize(("text", "environ"), OLD_NAMES.values(), ids=OLD_NAMES)
def test_a_renamed_setting_is_read_under_its_old_name(
    text: str, environ: dict[str, str], tmp_path: Path
) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(text)

    loaded = settings.load(Service, {"TESK_CONFIG": str(file), **environ})

    assert loaded.filer.retry_for == 5


def test_a_setting_that_is_given_under_both_names_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("filer: {patience: 4, retry_for: 5}")

    with pytest.raises(settings.SettingsError, match='unknown field "patience"'):
        settings.load(Service, {"TESK_CONFIG": str(file)})
