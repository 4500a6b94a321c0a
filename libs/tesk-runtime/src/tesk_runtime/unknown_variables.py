"""Finds environment variables that look like settings and are none.

A service judges the sections that it reads, so that each slip is told by those it is
meant for. A name of no section is told only if it is like a known one: others may begin
with ``TESK_``, too, as those of scripts do.
"""

import logging
import re
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from tesk_runtime.nearest_names import nearest_name
from tesk_runtime.sections import LocalSettings
from tesk_runtime.settings import CONFIG_VARIABLE, SECTIONS, fields

_logger = logging.getLogger(__name__)

_PREFIX = "TESK_"
_OF_COMMAND = ("TESK_SERVER", "TESK_USER", "TESK_PASSWORD", "TESK_OPERATOR")

# What Kubernetes sets in pods for each Service, unless ``enableServiceLinks`` is false:
# a Service "tesk-api" gives TESK_API_SERVICE_HOST and TESK_API_PORT_8080_TCP.
_SERVICE_LINK = re.compile(
    r"TESK_\w+_(SERVICE_(HOST|PORT)(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_\w+)?)"
)
_LINK_VALUE = re.compile(r"(tcp|udp|sctp)://")  # of TESK_API_PORT


class _Local(msgspec.Struct):
    """The section whose variables have names of their own; all services know it."""

    local: LocalSettings = LocalSettings()


def unknown_variables(
    environ: Mapping[str, str],
    *settings_types: type[msgspec.Struct],
    without_section: bool = True,
) -> Iterator[str]:
    """Yield what is to be told of variables that nothing reads, in order of name.

    Values are not told.

    Args:
        environ: All variables.
        settings_types: The settings that are judged.
        without_section: Whether names of no section are, too.
    """
    suspects = sorted(
        name
        for name, value in environ.items()
        if name.startswith(_PREFIX) and not _is_service_link(name, value)
    )
    if not suspects:
        return
    known = {CONFIG_VARIABLE, *_OF_COMMAND, *_variables(_Local, *settings_types)}
    own = {
        section.name
        for each in settings_types
        for section in msgspec.structs.fields(each)
    }
    for name in suspects:
        section = _section(name)
        is_judged = section in own if section else without_section
        if name in known or not is_judged:
            continue
        meant = nearest_name(name.removeprefix(_PREFIX), _without_prefix(known))
        if meant:
            yield f"{name} is no setting and is ignored; is {_PREFIX}{meant} meant?"
        elif section:
            yield (
                f"{name} is no setting and is ignored; docs/configuration.md lists "
                f"those of {section}"
            )


def log_unknown_variables(
    environ: Mapping[str, str], settings_type: type[msgspec.Struct]
) -> None:
    """Warn in the log of a service, at its start; see ``unknown_variables``."""
    for warning in unknown_variables(environ, settings_type):
        _logger.warning(warning)


def _is_service_link(name: str, value: str) -> bool:
    is_port = name.endswith("_PORT") and _LINK_VALUE.match(value) is not None
    return is_port or _SERVICE_LINK.fullmatch(name) is not None


def _variables(*settings_types: type[msgspec.Struct]) -> Iterator[str]:
    for each in settings_types:
        for field in fields(each):
            yield from field.variables


def _section(name: str) -> str:
    """Return the section whose variables begin so; "" if none's do."""
    first = name.removeprefix(_PREFIX).partition("_")[0].lower()
    return first if first in SECTIONS else ""


def _without_prefix(names: Iterable[str]) -> Iterator[str]:
    return (name.removeprefix(_PREFIX) for name in names if name.startswith(_PREFIX))
