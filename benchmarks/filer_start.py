"""What a filer costs before and around its first byte: CPU seconds by scheme."""

import resource
import statistics
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from fakes.filer_process import FilerRun
from fakes.filer_scheduler import TransferRecord, transfer_server
from servers.ftp import ftp_server
from servers.http import http_server
from servers.s3 import s3_server
from tesk_model.task import Input

Row = tuple[str, str, str]
_TARGET = "≤ 0.2"


def rows(*, quick: bool) -> Iterator[Row]:
    """Bring one file of a byte by each scheme, again and again."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (folder / "files").mkdir()
        (folder / "files/a").write_text("x")
        record = stack.enter_context(transfer_server(TransferRecord()))
        web = stack.enter_context(http_server())
        web.files["/a"] = b"x"
        ftp = stack.enter_context(ftp_server(folder / "files"))
        s3 = stack.enter_context(s3_server("bench"))
        client = s3.client()
        client.put_object(Bucket="bench", Key="a", Body=b"x")
        client.close()
        inputs = {
            "content": Input(path="/in/a", content="x"),
            "file": Input(path="/in/a", url=f"file://{folder}/files/a"),
            "http": Input(path="/in/a", url=f"{web.url}/a"),
            "ftp": Input(path="/in/a", url=f"{ftp.url}/a"),
            "s3": Input(path="/in/a", url="s3://bench/a"),
        }
        run = FilerRun(folder, (folder / "files",), environ=s3.environ)
        for scheme, entry in inputs.items():
            record.inputs = (entry,)
            used = [_cpu_seconds(run, record) for _ in range(5 if quick else 15)]
            words = (
                f"{statistics.median(used):.2f} ({min(used):.2f} to {max(used):.2f})"
            )
            yield scheme, words, _TARGET


def _cpu_seconds(run: FilerRun, record: TransferRecord) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    code, log = run.run(record, "inputs")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if code:
        message = f"the filer failed: {log}"
        raise RuntimeError(message)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
