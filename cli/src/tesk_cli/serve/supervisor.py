"""Starts the services of one server, restarts them and stops them in order.

Taskmasters and what they run are not stopped: they outlive a restart of the
server, and the next one takes them over.
"""

import functools
import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus

from tesk_cli.domain.health import HealthPolicy
from tesk_cli.domain.restarts import RestartPolicy
from tesk_cli.serve.errors import ServeError
from tesk_cli.serve.health import (
    HealthMonitor,
    http_status,
    is_api_alive,
    is_scheduler_alive,
)
from tesk_cli.serve.home import RunningServer, StateHome
from tesk_cli.serve.plan import ServerPlan, choose_engine, server_url, service_environ
from tesk_cli.serve.port import reserve_port
from tesk_cli.serve.service import Service

_STORAGE_CHECKS = ("tesk_filer", "serve")
_CHECK_INTERVAL = 0.2  # seconds
_START_TIMEOUT = 90.0  # seconds; a database may have to be migrated
_GRACE = timedelta(seconds=30)
# For a service that does not answer and will hardly end by itself.
_SHORT_GRACE = timedelta(seconds=5)
_READY_TIMEOUT = timedelta(seconds=2)


@dataclass(slots=True)
class Supervisor:
    """One server on this machine; use from the main thread.

    Attributes:
        report: Takes one line for each event.
        probe_containers: Returns why containers cannot be used; empty if they can.
        modules: Modules of the services in order of start: scheduler, api.
        health_monitor: Checks the services, once the API answers.
        checks_storages: Also run what looks at the urls of tasks before they are
            created; the server does without if it does not run.
    """

    plan: ServerPlan
    probe_containers: Callable[[], str]
    report: Callable[[str], None]
    policy: RestartPolicy = field(default_factory=RestartPolicy)
    health: HealthPolicy = field(default_factory=HealthPolicy)
    modules: tuple[str, str] = ("tesk_scheduler", "tesk_api")
    checks_storages: bool = False
    engine: str = ""
    container_problem: str = ""
    url: str = ""
    health_monitor: HealthMonitor | None = None
    _services: list[Service] = field(default_factory=list)
    _crashes: dict[str, list[timedelta]] = field(default_factory=dict)
    _restart_at: dict[str, float] = field(default_factory=dict)
    _home: StateHome | None = None

    def start(self, stop: threading.Event) -> None:
        """Start the services and return when the API answers, or on ``stop``.

        Raises:
            ServeError: It cannot start; nothing is left running.
        """
        if self.plan.engine != "sandbox":
            self.container_problem = self.probe_containers()
        self.engine = choose_engine(self.plan, container_problem=self.container_problem)
        home = StateHome(self.plan.home)
        home.prepare()
        home.acquire()
        self._home = home
        # A server that was killed has left its announcement.
        home.withdraw()
        try:
            port = reserve_port(self.plan.host, self.plan.port)
            self.url = server_url(self.plan.host, port)
            self._launch(home, port)
            self._await_ready(stop)
            self.health_monitor = self._start_health_monitor(home)
        except BaseException:
            self.stop()
            raise
        home.announce(RunningServer(url=self.url, pid=os.getpid()))

    def watch(self, stop: threading.Event) -> None:
        """Restart services that crash, until ``stop`` is set.

        Raises:
            ServeError: A service crashes again and again.
        """
        while not stop.wait(_CHECK_INTERVAL):
            self.check_services()

    def check_services(self) -> None:
        """Check each service once; restart those that crashed or do not answer.

        Raises:
            ServeError: A service crashes again and again.
        """
        for service in tuple(self._services):
            self._check_service(service)

    def stop(self) -> None:
        """Stop the api, then the scheduler, and release the state folder."""
        if self.health_monitor is not None:
            self.health_monitor.stop()
            self.health_monitor = None
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
            storage_socket=home.storage_socket_path() if self.checks_storages else None,
        ) | {"PORT": str(port)}
        for module in self.modules:
            self._start_service(home, environ, module)
        if self.checks_storages:
            self._start_service(home, environ, *_STORAGE_CHECKS, is_optional=True)

    def _start_service(
        self,
        home: StateHome,
        environ: Mapping[str, str],
        module: str,
        *arguments: str,
        is_optional: bool = False,
    ) -> None:
        name = module.removeprefix("tesk_")
        service = Service(
            module,
            environ,
            log=None if self.plan.verbose else home.logs / f"{name}.log",
            lock=home.services_lock,
            arguments=arguments,
            is_optional=is_optional,
        )
        service.start()
        self._services.append(service)

    def _await_ready(self, stop: threading.Event) -> None:
        deadline = time.monotonic() + _START_TIMEOUT
        while not stop.is_set() and not self._is_ready():
            for service in self._services:
                code = service.exit_code()
                if code is not None and not service.is_optional:
                    raise ServeError(_describe_exit(service, "did not start", code))
            if time.monotonic() > deadline:
                msg = f"the server is not ready after {_START_TIMEOUT:g} s"
                lines = [
                    f"{item.name}: {item.last_log_line()}" for item in self._services
                ]
                raise ServeError("; ".join([msg, *lines]))
            stop.wait(_CHECK_INTERVAL / 4)

    def _is_ready(self) -> bool:
        return http_status(self.url, "/readyz", _READY_TIMEOUT) == HTTPStatus.OK

    def _start_health_monitor(self, home: StateHome) -> HealthMonitor:
        scheduler, api = (module.removeprefix("tesk_") for module in self.modules)
        address = f"unix:{home.socket_path()}"
        probes = {
            scheduler: functools.partial(is_scheduler_alive, address),
            api: functools.partial(is_api_alive, self.url),
        }
        return HealthMonitor(probes, self.health)

    def _do_without(self, service: Service, problem: str) -> None:
        self.report(f"{problem}; checks of tasks do not look at storages any more")
        self._services.remove(service)

    def _stop_if_unresponsive(self, service: Service) -> None:
        if (
            self.health_monitor is None
            or service.is_optional  # it is not asked
            or not self.health_monitor.is_unresponsive(service.name)
        ):
            return
        self.health_monitor.reset(service.name)
        self.report(f"the {service.name} runs, but does not answer; it is stopped")
        service.stop(_SHORT_GRACE)

    def _check_service(self, service: Service) -> None:
        service.trim_log()
        self._stop_if_unresponsive(service)
        code = service.exit_code()
        if code is None:
            return
        now = time.monotonic()
        if service.name not in self._restart_at:
            moment = timedelta(seconds=now)
            crashes = self._crashes.setdefault(service.name, [])
            crashes.append(moment)
            delay = self.policy.delay(crashes, moment)
            if delay is None:
                problem = _describe_exit(service, "crashes again and again", code)
                if not service.is_optional:
                    raise ServeError(problem)
                self._do_without(service, problem)
                return
            self.report(_describe_exit(service, "ended and is started again", code))
            self._restart_at[service.name] = now + delay.total_seconds()
        if now >= self._restart_at[service.name]:
            del self._restart_at[service.name]
            if self.health_monitor is not None and not service.is_optional:
                self.health_monitor.reset(service.name)
            service.start()


def _describe_exit(service: Service, event: str, code: int) -> str:
    cause = f"signal {-code}" if code < 0 else f"exit code {code}"
    # A process that was killed could not log why.
    reason = "" if code < 0 else service.last_log_line()
    line = f"the {service.name} {event} ({cause})"
    if reason:
        line += f": {reason}"
    if service.log is not None:
        line += f" [{service.log}]"
    return line
