"""What bodies of 16 MiB cost that are made to be dear.

Each is read by a process of its own, as the api reads it, up to the message for
the scheduler. Memory is the most that the process had beyond what it had with
the body alone.

Usage as a program: ``python benchmarks/bodies.py SHAPE``.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tesk_api.http.task_parsing import TaskParser
from tesk_model.errors import InvalidRequestError
from tesk_runtime.rpc.wire import task_to_wire

SIZE = 16 * 2**20
_GOOD = b'"executors":[{"image":"a","command":["b"]}]'


def _list(field: bytes, item: bytes, size: int) -> bytes:
    head, tail = b'{"%s":[' % field, b"]}"
    count = (size - len(head) - len(tail)) // (len(item) + 1)
    return head + b",".join([item] * count) + tail


def _content(text: bytes, size: int) -> bytes:
    head = b'{"inputs":[{"path":"/a","content":"'
    tail = b'"}],' + _GOOD + b"}"
    return head + text * ((size - len(head) - len(tail)) // len(text)) + tail


def _files(fields: Callable[[int, str], dict[str, str]], size: int) -> bytes:
    filler = "n" * (size // 10_000 - 200)
    files = [fields(number, filler) for number in range(9_900)]
    executors = [{"image": "a", "command": ["b"]}]
    return json.dumps({"outputs": files, "executors": executors}).encode()


def _output(number: int, filler: str) -> dict[str, str]:
    path = f"/{'d/' * 90}{number}"
    return {"path": path, "url": f"s3://b/{number}", "name": filler}


SHAPES: dict[str, Callable[[int], bytes]] = {
    "executors without a field": lambda size: _list(b"executors", b"{}", size),
    "inputs that are null": lambda size: _list(b"inputs", b"null", size),
    "numbers for arguments": lambda size: _list(
        b"executors", b'{"image":"a","command":[%s]}' % b",".join([b"0"] * 9000), size
    ),
    "arrays in an unknown field": lambda size: _list(b"x", b"[]", size),
    "strings in an unknown field": lambda size: _list(b"x", b'""', size),
    "paths of 2,000 directories": lambda size: _list(
        b"outputs", b'{"url":"/x","path":"%s"}' % (b"/a" * 2000), size
    ),
    "9,900 outputs, deep, with long names": lambda size: _files(_output, size),
    "content of commas": lambda size: _content(b",", size),
    "content of escapes": lambda size: _content(b"\\u0001", size),
    "content with one character of four bytes": lambda size: _content(
        b"a" * 1000, size
    ).replace(b'"content":"', b'"content":"\xf0\x9f\x98\x80'),
}


def rows() -> Iterator[tuple[str, ...]]:
    """Give one row for each shape: seconds and memory, by a process of its own."""
    for shape in SHAPES:
        done = subprocess.run(  # noqa: S603 - this very file
            [sys.executable, __file__, shape],
            check=True,
            capture_output=True,
            text=True,
        )
        yield (shape, *json.loads(done.stdout))


def measure(shape: str) -> tuple[str, ...]:
    """Read one body; return what came of it, seconds, MiB, and times its length."""
    parser = TaskParser()
    _read(parser, b"{}")
    body = SHAPES[shape](SIZE)
    Path("/proc/self/clear_refs").write_text("5")
    before = _peak()
    started = time.process_time()
    result = _read(parser, body)
    seconds = time.process_time() - started
    extra = _peak() - before
    mib = 2**20
    return (result, f"{seconds:.2f}", f"{extra / mib:.0f}", f"{extra / len(body):.1f}")


def _read(parser: TaskParser, body: bytes) -> str:
    try:
        new = parser.parse(body)
    except InvalidRequestError:
        return "400"
    task_to_wire(new.task).SerializeToString()
    return "200"


def _peak() -> int:
    text = Path("/proc/self/status").read_text()
    return int(text.partition("VmHWM:")[2].split()[0]) * 1024


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1])))
