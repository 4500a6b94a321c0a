"""Keep the services of one server up, and take them down in order.

Taskmasters and what they run are not ours to stop: they outlive a restart of
the server, and the next one takes them up again.
"""

import functools
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus

from tesk_cli.domain.health import HealthPolicy
from tesk_cli.domain.restarts import RestartPolicy
from tesk_cli.serve.errors import ServeError
from tesk_cli.serve.health import (
    HealthWatch,
    api_lives,
    http_status,
    scheduler_lives,
)
from tesk_cli.serve.home import RunningServer, StateHome
from tesk_cli.serve.plan import ServerPlan, checked_engine, service_environ, url_of
from tesk_cli.serve.port import reserve_port
from tesk_cli.serve.service import Service

_LOOK = 0.2  # seconds between two looks at the services
_LONGEST_START = 90.0  # seconds; a database may have to be migrated
_GRACE = timedelta(seconds=30)
# For one that does not answer, and will hardly end in order.
_SHORT_GRACE = timedelta(seconds=5)
_READY_TIME = timedelta(seconds=2)


@dataclass(slots=True)
class Supervisor:
    """One server on this machine; use from the main thread.

    Attributes:
        report: Told what happens, one line each.
        probe_containers: Says why there can be no containers; empty if there can.
        modules: What is run, in order of start: the scheduler, the api.
        watched: Asks whether they live, once the API answers.
    """

    plan: ServerPlan
    probe_containers: Callable[[], str]
    report: Callable[[str], None]
    policy: RestartPolicy = field(default_factory=RestartPolicy)
    health: HealthPolicy = field(default_factory=HealthPolicy)
    modules: tuple[str, str] = ("tesk_scheduler", "tesk_api")
    engine: str = ""
    container_problem: str = ""
    url: str = ""
    watched: HealthWatch | None = None
    _services: list[Service] = field(default_factory=list)
    _crashes: dict[str, list[timedelta]] = field(default_factory=dict)
    _due: dict[str, float] = field(default_factory=dict)
    _home: StateHome | None = None

    def start(self, stop: threading.Event) -> None:
        """Start the services and return when the API answers, or on ``stop``.

        Raises:
            ServeError: It cannot start; nothing is left running.
        """
        if self.plan.engine != "sandbox":
            self.container_problem = self.probe_containers()
        self.engine = checked_engine(
            self.plan, container_problem=self.container_problem
        )
        home = StateHome(self.plan.home)
        home.prepare()
        home.acquire()
        self._home = home
        # A server that was killed has left its announcement.
        home.withdraw()
        try:
            port = reserve_port(self.plan.host, self.plan.port)
            self.url = url_of(self.plan.host, port)
            self._launch(home, port)
            self._await_ready(stop)
            self.watched = self._health_watch(home)
        except BaseException:
            self.stop()
            raise
        home.announce(RunningServer(url=self.url, pid=os.getpid()))

    def watch(self, stop: threading.Event) -> None:
        """Restart what crashes, until ``stop`` is set.

        Raises:
            ServeError: A service crashes again and again.
        """
        while not stop.wait(_LOOK):
            self.tend()

    def tend(self) -> None:
        """Look once at each service; start again what has crashed, or is silent.

        Raises:
            ServeError: A service crashes again and again.
        """
        for service in self._services:
            self._tend(service)

    def stop(self) -> None:
        """Stop the api, then the scheduler, and let go of the state folder."""
        if self.watched is not None:
            self.watched.stop()
            self.watched = None
        if self._home is not None:
            self._home.withdraw()
        for service in reversed(self._services):
            service.stop(_GRACE)
        self._services.clear()
        if self._home is not None:
            self._home.release()
            self._home = None

    def _launch(self, home: StateHome, port: int) -> None:
        environ = service_environ(
            self.plan,
            engine=self.engine,
            token_file=home.token_file,
            socket=home.socket_path(),
        ) | {"PORT": str(port)}
        for module in self.modules:
            name = module.removeprefix("tesk_")
            log = None if self.plan.verbose else home.logs / f"{name}.log"
            service = Service(module, environ, log, home.services_lock)
            service.start()
            self._services.append(service)

    def _await_ready(self, stop: threading.Event) -> None:
        deadline = time.monotonic() + _LONGEST_START
        while not stop.is_set() and not self._is_ready():
            for service in self._services:
                code = service.exit_code()
                if code is not None:
                    raise ServeError(_obituary(service, "did not start", code))
            if time.monotonic() > deadline:
                msg = f"the server is not ready after {_LONGEST_START:g} s"
                words = [f"{item.name}: {item.last_words()}" for item in self._services]
                raise ServeError("; ".join([msg, *words]))
            stop.wait(_LOOK / 4)

    def _is_ready(self) -> bool:
        return http_status(self.url, "/readyz", _READY_TIME) == HTTPStatus.OK

    def _health_watch(self, home: StateHome) -> HealthWatch:
        scheduler, api = (module.removeprefix("tesk_") for module in self.modules)
        address = f"unix:{home.socket_path()}"
        probes = {
            scheduler: functools.partial(scheduler_lives, address),
            api: functools.partial(api_lives, self.url),
        }
        return HealthWatch(probes, self.health)

    def _end_if_silent(self, service: Service) -> None:
        if self.watched is None or not self.watched.is_lost(service.name):
            return
        self.watched.forget(service.name)
        self.report(f"the {service.name} runs, but does not answer; it is ended")
        service.stop(_SHORT_GRACE)

    def _tend(self, service: Service) -> None:
        service.trim_log()
        self._end_if_silent(service)
        code = service.exit_code()
        if code is None:
            return
        now = time.monotonic()
        if service.name not in self._due:
            moment = timedelta(seconds=now)
            crashes = self._crashes.setdefault(service.name, [])
            crashes.append(moment)
            delay = self.policy.delay(crashes, moment)
            if delay is None:
                raise ServeError(_obituary(service, "crashes again and again", code))
            self.report(_obituary(service, "ended and is started again", code))
            self._due[service.name] = now + delay.total_seconds()
        if now >= self._due[service.name]:
            del self._due[service.name]
            if self.watched is not None:
                self.watched.forget(service.name)
            service.start()


def _obituary(service: Service, what: str, code: int) -> str:
    cause = f"signal {-code}" if code < 0 else f"exit code {code}"
    # Who was killed from outside had nothing to say about it.
    words = "" if code < 0 else service.last_words()
    line = f"the {service.name} {what} ({cause})"
    if words:
        line += f": {words}"
    if service.log is not None:
        line += f" [{service.log}]"
    return line
