"""Converts what the call cache is about: calls of documents, and explanations."""

import hashlib
import json
from collections.abc import Iterator

from tesk.v1 import task_pb2 as pb
from tesk.v1 import task_service_pb2 as service_pb
from tesk_model.attempt_parameters import ATTEMPT_PARAMETERS
from tesk_model.call_cache import CacheExplanation
from tesk_runtime.rpc.documents import writer
from tesk_scheduler.domain.calls import CallDescription
from tesk_scheduler.domain.records import Document

_Field = tuple[str, str]
explanation_to_wire = writer(CacheExplanation, service_pb.ExplainCallCacheResponse)
_TEXTS = ("workdir", "stdin", "stdout", "stderr")


def call_of(document: Document) -> CallDescription:
    """Describe the call of a task.

    Names, descriptions and tags do not count, nor does what is about attempts and
    where a task may run (``preemptible``); amounts count as they are charged.
    """
    task = pb.Task.FromString(document)
    fields: dict[str, str] = {}
    for path, value in _fields(task):
        # Two outputs may have one path.
        number = 2
        unique = path
        while unique in fields:
            unique, number = f"{path}#{number}", number + 1
        fields[unique] = value
    return CallDescription(
        fields=fields,
        input_urls=[each.url for each in task.inputs if not each.content],
        outputs=len(task.outputs),
    )


def _fields(task: pb.Task) -> Iterator[_Field]:
    for index, executor in enumerate(task.executors):
        yield from _executor(f"executors[{index}]", executor)
    for given in task.inputs:
        yield f"inputs[{given.path}]", f"{_type_of(given)} {_source(given)}"
    for output in task.outputs:
        yield f"outputs[{output.path}]", _target(output)
    for volume in sorted(set(task.volumes)):
        yield f"volumes[{volume}]", "volume"
    if task.resources.zones:
        yield "resources.zones", json.dumps(sorted(task.resources.zones))
    for name, value in sorted(task.resources.backend_parameters.items()):
        if name.lower() not in ATTEMPT_PARAMETERS:
            yield f"resources.backend_parameters.{name}", value


def _executor(path: str, executor: pb.Executor) -> Iterator[_Field]:
    yield f"{path}.image", executor.image
    yield f"{path}.command", json.dumps(list(executor.command), ensure_ascii=False)
    for name in _TEXTS:
        if text := getattr(executor, name):
            yield f"{path}.{name}", text
    for name, value in sorted(executor.env.items()):
        yield f"{path}.env[{name}]", value
    if executor.ignore_error:
        yield f"{path}.ignore_error", "true"


def _target(output: pb.Output) -> str:
    """Return where an output goes; a list, which no type begins like, with a prefix."""
    kind = _type_of(output)
    if not output.path_prefix:
        return f"{kind} {output.url}"
    return json.dumps([kind, output.url, output.path_prefix], ensure_ascii=False)


def _type_of(file: pb.Input | pb.Output) -> str:
    return pb.FileType.Name(file.type).removeprefix("FILE_TYPE_")


def _source(given: pb.Input) -> str:
    if not given.content:
        return given.url
    digest = hashlib.sha256(given.content.encode("utf-8", "surrogatepass"))
    return f"content sha256 {digest.hexdigest()}"
