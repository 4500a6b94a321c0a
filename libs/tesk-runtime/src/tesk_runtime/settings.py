"""Loads settings from one file and the environment, as frozen typed values.

A service declares a ``Settings`` struct whose fields are sections, each a
struct of its own. The value of ``scheduler.lease`` comes, in this order, from
the environment variable ``TESK_SCHEDULER_LEASE``, from ``lease:`` below
``scheduler:`` in the YAML file that ``TESK_CONFIG`` names, or from the default
in the code. Sections of other services are allowed in the file, so that all
services read the same one.

msgspec does the checking. pydantic-settings would do more, but costs 0.16 s of
CPU at every start of a filer, which starts twice for each task.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import inspect

from tesk_runtime.document_problems import DocumentProblem, explain_problem
from tesk_runtime.setting_names import normalize_names, old_name

# All sections of all services; anything else in the file is a typing error.
SECTIONS = frozenset(
    {
        *("log", "tracing", "grpc", "local", "urls", "kubernetes"),
        *("api", "scheduler", "quota", "webhooks", "taskmaster", "filer"),
    }
)

CONFIG_VARIABLE = "TESK_CONFIG"

SettingsT = TypeVar("SettingsT", bound=msgspec.Struct)


class SettingsError(Exception):
    """A setting is malformed; the message names it and says what is expected."""


@dataclass(frozen=True, slots=True)
class Field:
    """One setting, as the loader and the documentation see it.

    Attributes:
        variable: Its environment variable.
        separator: What separates the items in the variable of a list; empty
            if the setting is not a list.
        structured: True if the variable holds YAML.
        old_name: Name in the release before, still read; "" if it was not renamed.
    """

    section: str
    name: str
    variable: str
    description: str
    separator: str
    structured: bool
    default: Any
    required: bool
    old_name: str

    @property
    def variables(self) -> tuple[str, ...]:
        """All environment variables that are read; the first that is set counts."""
        if not self.old_name:
            return (self.variable,)
        return self.variable, _variable(self.section, self.old_name)


def load(settings_type: type[SettingsT], environ: Mapping[str, str]) -> SettingsT:
    """Build the settings of one service.

    Raises:
        SettingsError: A value is malformed or a section or name is unknown.
    """
    document = _read_file(environ.get(CONFIG_VARIABLE, ""))
    own = {field.name for field in msgspec.structs.fields(settings_type)}
    values = {name: dict(section) for name, section in document.items() if name in own}
    kind = inspect.type_info(settings_type)
    # Before the environment, which must find what it replaces; and its values after.
    values = normalize_names(values, kind)
    for field in fields(settings_type):
        given = next((name for name in field.variables if name in environ), None)
        if given:
            section = values.setdefault(field.section, {})
            section.pop(field.old_name, None)
            section[field.name] = _from_text(field, environ[given])
    values = normalize_names(values, kind)
    try:
        loaded = msgspec.convert(values, settings_type, strict=False)
    except msgspec.ValidationError as error:
        problem = explain_problem(error, kind)
        raise SettingsError(_explain(problem, settings_type)) from error
    _check_durations(loaded)
    return loaded


def _check_durations(loaded: msgspec.Struct) -> None:
    """Refuse negative ones, for which types have no bound."""
    for field in fields(type(loaded)):
        value = getattr(getattr(loaded, field.section), field.name)
        if isinstance(value, timedelta) and value < timedelta():
            path = f"{field.section}.{field.name}"
            problem = DocumentProblem(path, "must not be negative")
            raise SettingsError(_explain(problem, type(loaded)))


def fields(settings_type: type[msgspec.Struct]) -> list[Field]:
    """List every setting of ``settings_type``, in order of declaration."""
    return [
        _describe(section.name, entry)
        for section in msgspec.structs.fields(settings_type)
        for entry in _struct(section.type).fields
    ]


def _struct(section_type: Any) -> inspect.StructType:
    described = inspect.type_info(section_type)
    if not isinstance(described, inspect.StructType):
        msg = f"a section of settings must be a struct, not {section_type}"
        raise TypeError(msg)
    return described


def _describe(section: str, entry: inspect.Field) -> Field:
    kind, extra, description = entry.type, {}, ""
    if isinstance(kind, inspect.Metadata):
        extra = kind.extra or {}
        description = (kind.extra_json_schema or {}).get("description", "")
        kind = kind.type
    is_list = isinstance(kind, inspect.VarTupleType) and isinstance(
        kind.item_type, inspect.StrType
    )
    kinds = kind.types if isinstance(kind, inspect.UnionType) else (kind,)
    structured = not is_list and any(
        isinstance(each, inspect.VarTupleType | inspect.StructType | inspect.DictType)
        for each in kinds
    )
    default = entry.default
    if default is msgspec.NODEFAULT and entry.default_factory is not msgspec.NODEFAULT:
        default = entry.default_factory()
    return Field(
        section=section,
        name=entry.name,
        variable=extra.get("variable", _variable(section, entry.name)),
        description=description,
        separator=extra.get("separator", ",") if is_list else "",
        structured=structured,
        default=default,
        required=entry.required,
        old_name=old_name(entry.type),
    )


def _variable(section: str, name: str) -> str:
    return f"TESK_{section}_{name}".upper()


def _from_text(field: Field, text: str) -> Any:
    if field.separator:
        return [item for item in text.split(field.separator) if item]
    if not field.structured:
        return text
    return _parse(text, field.variable)


def _read_file(name: str) -> dict[str, Any]:
    if not name:
        return {}
    try:
        text = Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{CONFIG_VARIABLE}: cannot read the settings file: {error}"
        raise SettingsError(msg) from error
    document = _parse(text, name) or {}
    if not isinstance(document, dict) or not all(
        isinstance(section, dict) for section in document.values()
    ):
        msg = f"{name}: must hold sections ({', '.join(sorted(SECTIONS))})"
        raise SettingsError(msg)
    unknown = sorted(str(key) for key in document if key not in SECTIONS)
    if unknown:
        msg = (
            f"{name}: unknown section {', '.join(unknown)}; "
            f"there are {', '.join(sorted(SECTIONS))}"
        )
        raise SettingsError(msg)
    return document


def _parse(text: str, source: str) -> Any:
    from tesk_runtime.yaml_documents import (  # noqa: PLC0415 - see there
        YamlError,
        parse_yaml,
    )

    try:
        return parse_yaml(text)
    except YamlError as error:
        raise SettingsError(f"{source}: {error}") from error


def _explain(problem: DocumentProblem, settings_type: type[msgspec.Struct]) -> str:
    path, text = problem.path, problem.text
    for field in fields(settings_type):
        place = f"{field.section}.{field.name}"
        # What a section finds itself begins with the name of the setting.
        if path == field.section and text.startswith(f"{field.name}: "):
            path, text = place, text.removeprefix(f"{field.name}: ")
        if path == place:
            return f"{path} ({field.variable}): {text}"
    return f"{path}: {text}" if path else text
