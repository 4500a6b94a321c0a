"""A scheduler or two, an api and simulated taskmasters, on one database."""

import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.request import urlopen

from programs.ports import free_port
from programs.stack import Stack
from programs.waiting import eventually
from scale.taskmasters import SLOTS, Taskmasters, simulated

TASKMASTERS = 50
_PROGRAM = str(Path(__file__).parent / "scheduler.py")
_CAPACITY = '{"running": 1000000, "cpu": 1e8, "ram_gb": 1e8, "disk_gb": 1e8}'
_KEPT_SECONDS = 30 * 86_400
_LONG = 600  # seconds


class ScaleStack(Stack):
    """Real services; what would run tasks is simulated.

    Attributes:
        names: File of the taskmasters there are.
        target: Where all schedulers are reached.
        bursts: Waits beside a burst of creations, measured while nothing else is there.
    """

    def __init__(self, folder: Path, database: str) -> None:
        """Prepare, but do not start, it; ``database`` "" is SQLite."""
        self.ports = [free_port(), free_port()]
        self.target = f"ipv4:{','.join(f'127.0.0.1:{each}' for each in self.ports)}"
        self.metrics_port = free_port()
        self.names = folder / "taskmasters.txt"
        self.names.touch()
        super().__init__(
            folder,
            environ={
                "TESK_LOG_LEVEL": "warning",
                "TESK_GRPC_SCHEDULER": self.target,
                "TESK_SCHEDULER_LISTEN": f"127.0.0.1:{self.ports[0]}",
                "TESK_SCHEDULER_METRICS_LISTEN": f"127.0.0.1:{self.metrics_port}",
                "TESK_SCHEDULER_DATABASE": database,
                "TESK_SCHEDULER_LEASE": "30",
                "TESK_SCHEDULER_IDLE": "3600",
                "TESK_SCHEDULER_MAX_TASKMASTERS": str(TASKMASTERS),
                "TESK_SCHEDULER_TASKS_PER_TASKMASTER": str(SLOTS),
                "TESK_SCHEDULER_RETENTION": str(_KEPT_SECONDS),
                "TESK_QUOTA_CAPACITY": _CAPACITY,
                "TESK_QUOTA_USERS": "{}",
                "TESK_QUOTA_EVERYBODY": "{}",
            },
        )
        self.database = database or f"sqlite:///{self.home}/tesk.db"
        self.token = (self.home / "token").read_text()
        self.bursts = (0.0, 0.0)
        self._others: list[subprocess.Popen[bytes]] = []

    def program(self, service: str) -> Sequence[str]:
        """Start a scheduler that leaves taskmasters to be simulated."""
        if service == "scheduler":
            return (_PROGRAM, str(self.names))
        return super().program(service)

    def start_second(self) -> "subprocess.Popen[bytes]":
        """Start another scheduler."""
        environ = {
            **self.environ,
            "TESK_SCHEDULER_LISTEN": f"127.0.0.1:{self.ports[1]}",
            "TESK_SCHEDULER_METRICS_LISTEN": "",
        }
        command = [sys.executable, _PROGRAM, str(self.names)]
        process = subprocess.Popen(command, env=environ)  # noqa: S603 - our own
        self._others.append(process)
        return process

    def metric(self, name: str) -> float:
        """Return the sum of a metric of the scheduler, by its labels."""
        with urlopen(f"http://127.0.0.1:{self.metrics_port}/metrics") as answer:
            text: str = answer.read().decode()
        found = re.findall(
            rf"^tesk_scheduler_{name}(?:{{.*}})? (\S+)$", text, re.MULTILINE
        )
        return sum(map(float, found))

    def close(self) -> None:
        """End everything."""
        for process in self._others:
            process.kill()
            process.wait()
        super().close()


@contextmanager
def scale_stack(database: str) -> Iterator[ScaleStack]:
    """Give one whose services are not started yet; all of it ends with the block."""
    with TemporaryDirectory(prefix="tesk-scale-") as folder:
        stack = ScaleStack(Path(folder), database)
        try:
            yield stack
        finally:
            stack.close()


@contextmanager
def running(stack: ScaleStack) -> Iterator[Taskmasters]:
    """Run the services, with taskmasters, until the end of the block."""
    with ExitStack() as closing:
        stack.start()
        closing.callback(stack.kill, "scheduler", "api")
        yield closing.enter_context(simulated(stack.names, stack.target, stack.token))


def wait_for(stack: ScaleStack, name: str, at_least: float) -> None:
    """Wait until a metric is so large."""
    eventually(
        lambda: stack.metric(name) >= at_least, what=name, every=0.1, within=_LONG
    )


def database_mib(stack: ScaleStack) -> float:
    """Return the size of the database."""
    if stack.database.startswith("sqlite"):
        files = stack.home.glob("tesk.db*")
        return sum(each.stat().st_size for each in files) / 2**20
    from sqlalchemy import create_engine, text  # noqa: PLC0415 - one use

    engine = create_engine(stack.database)
    with engine.connect() as connection:
        size = connection.scalar(text("SELECT pg_database_size(current_database())"))
    engine.dispose()
    return float(size or 0) / 2**20
