"""What is measured with many tasks, one figure after the other."""

import statistics
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from load import Load, Request, run_load
from processes import memory_mib
from programs.waiting import eventually
from scale.filling import create, queue, template
from scale.stack import ScaleStack, database_mib, wait_for
from scale.taskmasters import Figures, Taskmasters
from server import BASE, body_of_size
from tesk.v1 import task_service_pb2, task_service_pb2_grpc
from tesk_runtime.rpc.channel import open_channel

_POSTS_PER_SECOND = 20
_CONNECTIONS = 8
_RUN_TIME = 60.0  # seconds of a task, on average
_BODY = body_of_size(1500)
_BATCH = 256


@dataclass(frozen=True, slots=True)
class Rounds:
    """Rounds of admission in some time."""

    count: float
    seconds: float
    admitted: float

    @property
    def mean_ms(self) -> float:
        """Milliseconds of one."""
        return self.seconds / self.count * 1000 if self.count else 0.0

    @property
    def admitted_per_second(self) -> float:
        """Tasks admitted in a second of rounds."""
        return self.admitted / self.seconds if self.seconds else 0.0


def rounds_of(stack: ScaleStack) -> Callable[[], Rounds]:
    """Return what tells the rounds from now on."""

    def read() -> tuple[float, float, float]:
        name = "admission_round_seconds"
        return (
            stack.metric(f"{name}_count"),
            stack.metric(f"{name}_sum"),
            stack.metric("admissions_total"),
        )

    before = read()
    return lambda: Rounds(*(b - a for a, b in zip(before, read(), strict=True)))


def p99(seconds: Sequence[float]) -> float:
    """Return milliseconds."""
    if len(seconds) < 2:
        return 0.0
    return statistics.quantiles(seconds, n=100, method="inclusive")[98] * 1000


def post(stack: ScaleStack, seconds: float) -> Load:
    """POST at a steady rate for so long."""
    return run_load(
        stack.port,
        Request("POST", BASE, _BODY),
        connections=_CONNECTIONS,
        requests=max(100, round(seconds * _POSTS_PER_SECOND)),
        per_second=_POSTS_PER_SECOND,
    )


def cells_of(
    stack: ScaleStack, taskmasters: Taskmasters, seconds: float
) -> Iterator[tuple[str, str]]:
    """Measure for so long while tasks run, end and are posted; give named cells."""
    taskmasters.figures()
    rounds = rounds_of(stack)
    began = time.monotonic()
    load = post(stack, seconds)
    took = time.monotonic() - began
    figures, done = taskmasters.figures(), rounds()
    yield "tasks that ended, a minute", f"{figures.ended / took * 60:,.0f}"
    yield "round of admission, mean ms", f"{done.mean_ms:.0f}"
    yield "POST p50, ms", f"{load.percentile(50):.0f}"
    yield "POST p99, ms", f"{load.percentile(99):.0f}"
    yield "Sync p99, ms", f"{p99(figures.syncs):.0f}"
    yield "Report p99, ms", f"{p99(figures.reports):.0f}"
    yield "calls that failed", str(load.failures + figures.failures)
    yield "scheduler, MiB", f"{memory_mib(stack.pids('scheduler')):.0f}"
    yield "database, MiB", f"{database_mib(stack):,.0f}"


def throughput(
    stack: ScaleStack, taskmasters: Taskmasters, seconds: float
) -> tuple[float, Rounds]:
    """Let tasks end at once; return tasks that began a second, and the rounds."""
    taskmasters.end_at_once(at_once=True)
    time.sleep(2)
    taskmasters.figures()
    rounds = rounds_of(stack)
    began = time.monotonic()
    time.sleep(seconds)
    figures, done = taskmasters.figures(), rounds()
    taskmasters.end_at_once(at_once=False)
    return figures.begun / (time.monotonic() - began), done


def burst(
    stack: ScaleStack, taskmasters: Taskmasters, count: int
) -> tuple[float, float]:
    """Let one owner create ``count`` tasks while another creates one now and then.

    Returns:
        The longest time from the answer to the other's creation to when a taskmaster
        had the task: without the burst, and during it.
    """
    quiet = _delays(stack, taskmasters, lambda: time.sleep(3))
    loud = _delays(
        stack,
        taskmasters,
        lambda: queue(
            f"127.0.0.1:{stack.ports[0]}",
            stack.token,
            count,
            seconds=_RUN_TIME,
            owners=1,
        ),
    )
    return quiet, loud


def _delays(
    stack: ScaleStack, taskmasters: Taskmasters, meanwhile: Callable[[], None]
) -> float:
    over = threading.Event()
    created: dict[str, float] = {}
    caller = task_service_pb2.Caller(user="another")

    def other() -> None:
        with open_channel(f"127.0.0.1:{stack.ports[0]}", token=stack.token) as channel:
            stub = task_service_pb2_grpc.TaskServiceStub(channel)
            while not over.is_set():
                task = template(0)
                task.name = f"other-{len(created)}-{time.monotonic_ns()}"
                create(stub, caller, [task])
                created[task.name] = time.time()
                over.wait(0.25)

    taskmasters.figures()
    thread = threading.Thread(target=other)
    thread.start()
    meanwhile()
    over.set()
    thread.join()
    begins: dict[str, float] = {}

    def all_began() -> bool:
        figures: Figures = taskmasters.figures()
        begins.update(figures.begins)
        return created.keys() <= begins.keys()

    eventually(all_began, every=0.1, what="the other's tasks")
    return max(begins[name] - at for name, at in created.items())


def fill_queue(stack: ScaleStack, count: int, running: int) -> None:
    """Queue tasks of many owners that run for a minute; wait until nearly all run.

    Some have always just ended: the places of all of them are never taken at once.
    """
    address = f"127.0.0.1:{stack.ports[0]}"
    queue(address, stack.token, count, seconds=_RUN_TIME)
    wait_for(stack, "tasks_running", 0.95 * running)
