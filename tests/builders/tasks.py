"""Builds valid tasks from the fields that matter to a test."""

from typing import Any

from tesk_model.task import Executor, FileType, Input, Output, Resources, Task


def make_executor(**overrides: Any) -> Executor:
    """Return an executor that prints ``hello``."""
    fields: dict[str, Any] = {"image": "busybox", "command": ("echo", "hello")}
    return Executor(**(fields | overrides))


def make_task(**overrides: Any) -> Task:
    """Return a task of one executor, as a client submits it."""
    fields: dict[str, Any] = {"executors": (make_executor(),)}
    return Task(**(fields | overrides))


def make_assigned_task(**overrides: Any) -> Task:
    """Return a task as a taskmaster gets it: all its resources are filled in."""
    resources = Resources(cpu_cores=1.0, ram_gb=2.0, disk_gb=10.0)
    return make_task(**({"resources": resources} | overrides))


def make_task_json(**overrides: Any) -> dict[str, Any]:
    """Return the JSON body of a valid task."""
    body: dict[str, Any] = {
        "executors": [{"image": "busybox", "command": ["echo", "hello"]}]
    }
    return body | overrides


def file_in(path: str) -> Input:
    """Return an input file."""
    return Input(path=path, url="s3://b/k")


def folder_in(path: str) -> Input:
    """Return an input directory."""
    return Input(path=path, url="s3://b/k", type=FileType.DIRECTORY)


def reference_in(path: str, url: str = "ref://grch38/genome.fa") -> Input:
    """Return an input that is a reference: a directory if the url ends in a slash."""
    kind = FileType.DIRECTORY if url.endswith("/") else FileType.FILE
    return Input(path=path, url=url, type=kind)


def file_out(path: str, prefix: str | None = None) -> Output:
    """Return an output file, or a pattern of some."""
    return Output(path=path, url="s3://b/o", path_prefix=prefix)


def folder_out(path: str) -> Output:
    """Return an output directory."""
    return Output(path=path, url="s3://b/o", type=FileType.DIRECTORY)
