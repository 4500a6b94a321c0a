"""Generate docs/configuration.md from the settings of the services.

Usage: ``python scripts/generate_configuration.py OUT``; ``make configuration``
passes the page, ``make check`` a temporary file and compares.
"""

import importlib
import inspect
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec

from tesk_runtime.settings import SECTIONS, Field, fields

SERVICES = ("api", "scheduler", "taskmaster", "filer")
ORDER = (
    "local",
    "urls",
    "kubernetes",
    "log",
    "tracing",
    "grpc",
    *SERVICES,
    "quota",
    "webhooks",
)

HEAD = """\
# Configuration

<!-- Generated from the code by `make configuration`: do not edit. -->

Each setting comes from its environment variable, else from the settings file
(YAML) that the variable `TESK_CONFIG` names, else from its default. All services
read the same file; each takes the sections that it knows. A malformed value, or an
unknown name in the file, stops a service at its start, with a message that names it.
A variable that looks like a setting and is none is told once, at the start, with the
name that may have been meant. Durations are seconds, or with a unit: `90s`, `15m`,
`24h`, `7d`, or ISO 8601 such as `PT1M30S`.

```yaml
# tesk.yaml
local:
  engine: sandbox
  file_roots: [/data, /results]
log:
  format: json
```

`tesk serve` and `tesk run` set how their services find each other (`TESK_GRPC_…`,
`TESK_SCHEDULER_LISTEN`) and pass everything else on.

The `tesk` command itself reads `TESK_SERVER` (url of a server), `TESK_USER` and
`TESK_PASSWORD` (credentials for it; else the netrc file that `NETRC` names, else
`~/.netrc`). `tesk admin` reads `TESK_OPERATOR` (your name, for the audit log), and to reach
a scheduler `TESK_GRPC_SCHEDULER`, `TESK_GRPC_TOKEN_FILE` and `TESK_GRPC_TLS_CA`.
"""


def main() -> int:
    """Write the page named on the command line."""
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
    return 0


def page() -> str:
    """Return the whole page."""
    sections = _sections()
    names = sorted(sections, key=ORDER.index)
    return "\n".join([HEAD, *(_section(name, *sections[name]) for name in names)])


def _sections() -> dict[str, tuple[str, list[Field], list[str]]]:
    """Return for each section its description, settings and who reads it.

    Raises:
        SystemExit: A section of the settings file is read by nobody.
    """
    found: dict[str, tuple[str, list[Field], list[str]]] = {}
    for service in SERVICES:
        settings = importlib.import_module(f"tesk_{service}.config").Settings
        types = {entry.name: entry.type for entry in msgspec.structs.fields(settings)}
        entries = fields(settings)
        for name, section_type in types.items():
            own = [entry for entry in entries if entry.section == name]
            about = _markdown(inspect.getdoc(section_type) or "")
            found.setdefault(name, (about, own, []))[2].append(service)
    if missing := SECTIONS - set(found):
        sys.exit(f"no service reads the section {', '.join(sorted(missing))}")
    return found


def _section(name: str, about: str, entries: list[Field], readers: list[str]) -> str:
    lines = [
        f"## `{name}`",
        "",
        f"{about} Read by: {', '.join(readers)}.",
        "",
        "| name | variable | default | meaning |",
        "|---|---|---|---|",
    ]
    lines += [_row(entry) for entry in entries]
    return "\n".join(lines) + "\n"


def _markdown(docstring: str) -> str:
    return docstring.replace("``", "`").strip()


def _row(entry: Field) -> str:
    default = "required" if entry.required else _value(entry.default)
    meaning = " ".join(entry.description.split()).replace("|", "\\|")
    if entry.separator and f"`{entry.separator}`" not in meaning:
        meaning += f" In the variable, separated by `{entry.separator}`."
    elif entry.structured:
        meaning += " The variable holds YAML."
    if entry.old_name:
        meaning += f" Formerly `{entry.old_name}`, which is read for one more release."
    return f"| `{entry.name}` | `{entry.variable}` | {default} | {meaning} |"


def _value(value: Any) -> str:
    if isinstance(value, timedelta):
        return f"{value.total_seconds():.12g} s"
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None or value in ("", (), {}):
        return "none"
    if isinstance(value, tuple):
        return ", ".join(f"`{item}`" for item in value)
    if isinstance(value, msgspec.Struct):
        document = msgspec.json.encode(value).decode()
        return "none" if document == "{}" else f"`{document}`"
    return f"`{value}`"


if __name__ == "__main__":
    sys.exit(main())
