"""Builds the record of a task: what ran, on what, when, and what came of it; pure."""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from tesk_model.progress import format_seconds
from tesk_model.quantities import bytes_from_gib, format_bytes, format_number
from tesk_model.task import (
    Executor,
    ExecutorLog,
    FileType,
    Input,
    InputSize,
    Resources,
    Task,
    TaskLog,
)
from tesk_model.text import escape_line

Json = dict[str, Any]

_DIGEST_LINE = re.compile(r"([0-9a-f]{64}) [ *](.+)")
_IMAGE_DIGEST = re.compile(r"@sha256:([0-9a-f]{64})$")


def log_of(task: Task) -> TaskLog:
    """Return the log of the attempt that counts; an empty one before the first."""
    return task.logs[0] if task.logs else TaskLog()


def report_of(task: Task) -> Json:
    """Return the record of a task as data; what is not known is absent."""
    log = log_of(task)
    digests = _digests(log)
    sizes = {each.index: each for each in task.input_sizes}
    return _known(
        {
            "id": task.id,
            "name": task.name,
            "description": task.description,
            "state": task.state.value if task.state else None,
            "reason": task.reason,
            "reason_code": task.reason_code,
            "tags": dict(task.tags),
            "created": _time(task.creation_time),
            **_times(log.start_time, log.end_time),
            "resources": _resources(task),
            "charged": _charged(task.charged),
            "executors": [
                _executor(executor, log.logs[index] if index < len(log.logs) else None)
                for index, executor in enumerate(task.executors)
            ],
            "inputs": [
                _known(
                    {
                        "path": each.path,
                        "url": None if each.content else each.url,
                        "type": each.type.value,
                        **_size(each, sizes.get(index)),
                        "sha256": digests.get(each.path),
                    }
                )
                for index, each in enumerate(task.inputs)
            ],
            "outputs": [
                _known(
                    {
                        "path": each.path,
                        "url": each.url,
                        "size_bytes": each.size_bytes,
                        "sha256": digests.get(each.path),
                    }
                )
                for each in log.outputs
            ],
            "metadata": dict(log.metadata),
            "system_logs": list(log.system_logs),
        }
    )


def format_report(report: Json) -> str:
    """Format the record of a task for people; no value makes lines of its own."""
    return "".join(f"{escape_line(line)}\n" for line in _lines(report))


def _lines(report: Json) -> Iterator[str]:
    yield from _head(report)
    for index, each in enumerate(report["executors"]):
        yield ""
        yield f"executor {index}: {' '.join(each['command'])}"
        yield f"  image: {each['image']}"
        if "exit_code" in each:
            yield f"  exit code: {each['exit_code']}{_took(each)}"
        if used := describe_usage(each, report.get("charged", {})):
            yield f"  used: {used}"
    for kind, field in (("input", "inputs"), ("output", "outputs")):
        for each in report.get(field, ()):
            yield from _file(kind, each)
    if notes := report.get("system_logs"):
        yield ""
        for note in notes:
            yield from note.split("\n")


def format_size(size: int, files: int | None = None) -> str:
    """Say how large a file is, or all ``files`` of a directory together."""
    if files is None:
        return format_bytes(size)
    return f"{format_bytes(size)} in {files:,} file{'' if files == 1 else 's'}"


def _size(entry: Input, arrived: InputSize | None) -> Json:
    """Return what arrived of an input, as far as it is known."""
    if arrived is None:
        return {}
    is_folder = entry.type is FileType.DIRECTORY
    return {
        "files": arrived.files if is_folder else None,
        "size_bytes": arrived.size_bytes,
    }


def describe_usage(executor: Json, charged: Json) -> str:
    """Say what an executor used of what its task is charged; "" if it is not known.

    Like ``41 s of CPU, 0.9 cores of 2; 1.2 GiB of memory of 4 GiB``.
    """
    parts = []
    if (cpu := executor.get("cpu_seconds")) is not None:
        parts.append(f"{format_seconds(cpu)} of CPU{_cores(executor, charged)}")
    if (memory := executor.get("max_memory_bytes")) is not None:
        ram = charged.get("ram_gb")
        most = f" of {format_bytes(bytes_from_gib(ram))}" if ram else ""
        parts.append(f"{format_bytes(memory)} of memory{most}")
    return "; ".join(parts)


def _cores(executor: Json, charged: Json) -> str:
    """Say how many cores were in use on average."""
    seconds = executor.get("seconds")
    if not seconds:
        return ""
    used = f", {format_number(executor['cpu_seconds'] / seconds)} cores"
    cores = charged.get("cpu_cores")
    return f"{used} of {format_number(cores)}" if cores else used


def _head(report: Json) -> Iterator[str]:
    name = report.get("name")
    yield f"{name} ({report['id']})" if name else report["id"]
    said = [report["state"], report.get("reason_code"), report.get("reason")]
    yield "  ".join(filter(None, said))
    for field in ("created", "started", "ended"):
        if field in report:
            yield f"{field}: {report[field]}"
    if "seconds" in report:
        yield f"took: {format_seconds(report['seconds'])}"
    for key, value in report.get("tags", {}).items():
        yield f"tag: {key}={value}" if value else f"tag: {key}"
    if asked := report.get("resources"):
        listed = (f"{name} {amount}" for name, amount in asked.items())
        yield f"asked for: {', '.join(listed)}"


def _file(kind: str, file: Json) -> Iterator[str]:
    yield ""
    yield f"{kind}: {file['path']}"
    if "url" in file:
        yield f"  url: {file['url']}"
    if "size_bytes" in file:
        yield f"  size: {format_size(file['size_bytes'], file.get('files'))}"
    if "sha256" in file:
        yield f"  sha256: {file['sha256']}"


def _took(executor: Json) -> str:
    if "seconds" not in executor:
        return ""
    return f" after {format_seconds(executor['seconds'])}"


def _executor(executor: Executor, log: ExecutorLog | None) -> Json:
    digest = _IMAGE_DIGEST.search(executor.image)
    ended = log or ExecutorLog()
    return _known(
        {
            "image": executor.image,
            "image_sha256": digest[1] if digest else None,
            "command": list(executor.command),
            "workdir": executor.workdir,
            "exit_code": ended.exit_code,
            **_times(ended.start_time, ended.end_time),
            "cpu_seconds": ended.cpu_seconds,
            "max_memory_bytes": ended.max_memory_bytes,
        }
    )


def _resources(task: Task) -> Json:
    asked = task.resources
    if asked is None:
        return {}
    return _known(
        {
            "cpu_cores": asked.cpu_cores,
            "ram_gb": asked.ram_gb,
            "disk_gb": asked.disk_gb,
            **asked.backend_parameters,
        }
    )


def _charged(charged: Resources | None) -> Json:
    if charged is None:
        return {}
    names = ("cpu_cores", "ram_gb", "disk_gb")
    return _known({name: getattr(charged, name) for name in names})


def _times(start: datetime | None, end: datetime | None) -> Json:
    seconds = (end - start).total_seconds() if start and end else None
    return {"started": _time(start), "ended": _time(end), "seconds": seconds}


def _time(moment: datetime | None) -> str | None:
    return moment.isoformat().replace("+00:00", "Z") if moment else None


def _digests(log: TaskLog) -> dict[str, str]:
    """Return the sha256 of files by path, where the filer wrote them down."""
    lines = (
        line
        for name in ("inputs.sha256", "outputs.sha256")
        for line in log.metadata.get(name, "").splitlines()
    )
    return {found[2]: found[1] for line in lines if (found := _DIGEST_LINE.match(line))}


def _known(fields: Json) -> Json:
    """Return what is known of ``fields``."""
    return {
        name: value for name, value in fields.items() if value not in (None, "", {})
    }
