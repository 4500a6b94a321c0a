"""Reads the environment, wires the program and turns errors into exit codes."""

import os
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from msgspec import Struct

from tesk_cli.adapters.credentials import read_credentials
from tesk_cli.adapters.examples import example_path, examples_folder, list_examples
from tesk_cli.adapters.system_clock import SystemClock
from tesk_cli.adapters.tes_server import HttpTaskServer
from tesk_cli.adapters.validation import parse_task, validate_task
from tesk_cli.cli.app import build_app
from tesk_cli.cli.dependencies import Dependencies
from tesk_cli.config import Settings
from tesk_cli.domain.exits import EXIT_CODES, ExitCode
from tesk_cli.domain.simulation.trace import Trace
from tesk_cli.ports import StorageAccess, StorageFailedError, StorageStoppedError
from tesk_cli.ports.admin import AdminCaller, AdminServer
from tesk_cli.serve.console import serve
from tesk_cli.serve.embedded import Embedded, embedded_server
from tesk_cli.serve.errors import HomeInUseError, ServeError
from tesk_cli.serve.home import StateHome
from tesk_cli.serve.plan import ServerPlan, storage_urls
from tesk_cli.serve.roots import (
    FileRoots,
    alternative_folder,
    command_roots,
    make_default_folder,
    reference_folders,
    server_roots,
)
from tesk_cli.serve.supervisor import Supervisor
from tesk_cli.usecases.following import WaitTimeoutError
from tesk_model.errors import (
    InvalidRequestError,
    TeskError,
    UnavailableError,
    Violation,
)
from tesk_model.text import escape_line, escape_lines
from tesk_runtime.own_code import find_protected_paths
from tesk_runtime.protected_paths import ProtectedPaths
from tesk_runtime.sections import read_token, state_home
from tesk_runtime.settings import CONFIG_VARIABLE, SettingsError, load
from tesk_runtime.shutdown import stop_on_signals
from tesk_runtime.unknown_variables import unknown_variables
from tesk_scheduler.domain.quota import Quota

_NO_SCHEDULER = (
    "no server runs on this machine; set TESK_GRPC_TOKEN_FILE and TESK_GRPC_SCHEDULER"
    " to call another scheduler"
)
# Where `make launcher` puts it.
_BUILT_LAUNCHER = Path(__file__).parents[3] / "build" / "launcher"

_EXIT_CODES: Mapping[type[Exception], ExitCode] = {
    HomeInUseError: ExitCode.INVALID,
    SettingsError: ExitCode.INVALID,
    ServeError: ExitCode.UNAVAILABLE,
    WaitTimeoutError: ExitCode.TIMED_OUT,
    StorageFailedError: ExitCode.TASK_FAILED,
}


@dataclass(frozen=True, slots=True)
class _Machine:
    """Runs and finds servers on this machine, by the settings of the environment."""

    environ: Mapping[str, str]

    def local_server(self) -> str | None:
        settings = load(Settings, self.environ)
        running = StateHome(state_home(settings.local, self.environ)).running()
        return None if running is None else running.url

    @contextmanager
    def embedded(self, folders: tuple[Path, ...]) -> Iterator[Embedded]:
        server = embedded_server(self._supervisor(folders, embedded=True))
        with ExitStack() as stack:
            try:
                own = stack.enter_context(server)
            except HomeInUseError as error:
                # Another process was faster; its server is used as soon as it is ready.
                raise UnavailableError(str(error)) from error
            yield own

    def serve(self, verbose: bool) -> None:  # noqa: FBT001 - one question
        supervisor = self._supervisor((), embedded=False, verbose=verbose)
        serve(supervisor, stop_on_signals(), _report)

    def _supervisor(
        self, folders: tuple[Path, ...], *, embedded: bool, verbose: bool = False
    ) -> Supervisor:
        settings = load(Settings, self.environ)
        _warn_of_variables(self.environ, *_service_settings())
        roots = self._roots(settings, folders, embedded=embedded)
        make_default_folder(roots.writable, self.environ)
        launcher = Path(settings.taskmaster.launcher or _BUILT_LAUNCHER)
        plan = ServerPlan(
            host="127.0.0.1" if embedded else settings.api.host,
            port=0 if embedded else settings.api.port,
            home=state_home(settings.local, self.environ),
            engine=settings.local.engine,
            file_roots=roots.writable,
            read_roots=roots.readable,
            protected=self._own_files(settings),
            references=reference_folders(
                settings.local.references,
                self._protected(settings),
                [
                    state_home(settings.local, self.environ),
                    *map(Path, self._own_files(settings)),
                ],
            ),
            environ={**self.environ, "TESK_TASKMASTER_LAUNCHER": str(launcher)},
            storage=() if settings.api.storage else storage_urls(roots.writable),
            verbose=verbose,
        )
        return Supervisor(
            plan=plan,
            probe_containers=lambda: _engine_problem(self.environ, launcher),
            report=_report,
            # `tesk run` is about one task, which it submits in any case.
            checks_storages=not embedded,
        )

    def _roots(
        self, settings: Settings, folders: tuple[Path, ...], *, embedded: bool
    ) -> FileRoots:
        named = settings.local.file_roots
        readable = [Path(root) for root in settings.local.read_roots]
        protected = self._protected(settings)
        here = (Path.cwd(), *folders)
        return FileRoots(
            writable=command_roots(here, self.environ, protected)
            if embedded and not named
            else server_roots(named, self.environ, protected),
            readable=tuple(
                path.absolute() for path in (*folders, *readable, examples_folder())
            ),
        )

    @contextmanager
    def storage(self, folders: tuple[Path, ...] | None) -> Iterator[StorageAccess]:
        """Open what a filer would use; see ``Dependencies``."""
        # Imported only here: other commands start faster without.
        from tesk_cli.adapters.storage import open_storage  # noqa: PLC0415
        from tesk_filer.config import Settings as FilerSettings  # noqa: PLC0415

        _warn_of_variables(self.environ, FilerSettings)
        roots = None
        if folders is not None:
            settings = load(Settings, self.environ)
            roots = self._roots(settings, folders, embedded=True)
        yield open_storage(
            self.environ,
            writable=None if roots is None else roots.writable,
            readable=() if roots is None else roots.readable,
        )

    @contextmanager
    def admin(self, caller: AdminCaller) -> Iterator[AdminServer]:
        """Connect to the scheduler of the settings, else to that of this machine."""
        # Imported only here: other commands start faster without.
        from tesk_cli.adapters.admin_client import open_admin  # noqa: PLC0415
        from tesk_runtime.rpc.tls import channel_credentials  # noqa: PLC0415

        settings = load(Settings, self.environ)
        address, token_file = settings.grpc.scheduler, settings.grpc.token_file
        if not token_file:
            home = StateHome(state_home(settings.local, self.environ))
            if home.running() is None:
                raise InvalidRequestError([Violation("", _NO_SCHEDULER)])
            address, token_file = f"unix:{home.socket_path()}", str(home.token_file)
        with open_admin(
            address,
            token=read_token(token_file),
            credentials=channel_credentials(settings.grpc),
            caller=caller,
        ) as server:
            yield server

    def working_folder(self) -> Path:
        """Return the folder for ``${PWD}``, which is never one of TESK itself."""
        settings = load(Settings, self.environ)
        folder = alternative_folder(Path.cwd(), self.environ, self._protected(settings))
        if folder is None:
            return Path.cwd()
        _report(f"${{PWD}} is {folder} here: no task writes into {Path.cwd()}")
        return folder

    def _protected(self, settings: Settings) -> ProtectedPaths:
        home = state_home(settings.local, self.environ)
        return find_protected_paths(home, self._own_files(settings))

    def _own_files(self, settings: Settings) -> tuple[str, ...]:
        """Return the files that configure a server, and others to protect."""
        files = (
            *(self.environ.get(CONFIG_VARIABLE, ""), settings.api.users_file),
            *(settings.api.groups_file, settings.taskmaster.launcher),
            *settings.local.protected,
        )
        return tuple(str(Path(file).absolute()) for file in files if file)


def _report(line: str) -> None:
    print(escape_lines(line), file=sys.stderr, flush=True)  # noqa: T201 - for the person at the terminal


def _warn_of_variables(
    environ: Mapping[str, str], *settings_types: type[Struct]
) -> None:
    """Report variables of sections that are no settings; ``main`` does the others."""
    for warning in unknown_variables(environ, *settings_types, without_section=False):
        _report(f"tesk: {warning}")


def _service_settings() -> tuple[type[Struct], ...]:
    """Return the settings of the services that a server of this machine starts."""
    # Imported only here: other commands start faster without.
    from tesk_api.config import Settings as ApiSettings  # noqa: PLC0415
    from tesk_filer.config import Settings as FilerSettings  # noqa: PLC0415
    from tesk_scheduler.config import Settings as SchedulerSettings  # noqa: PLC0415
    from tesk_taskmaster.config import Settings as TaskmasterSettings  # noqa: PLC0415

    return ApiSettings, SchedulerSettings, TaskmasterSettings, FilerSettings


def _dependencies(environ: Mapping[str, str]) -> Dependencies:
    machine = _Machine(environ)
    return Dependencies(
        connect=lambda url: HttpTaskServer(url, auth=read_credentials(url, environ)),
        validate=validate_task,
        parse=parse_task,
        storage=machine.storage,
        clock=SystemClock(),
        local_server=machine.local_server,
        embedded=machine.embedded,
        serve=machine.serve,
        examples=list_examples,
        example_path=example_path,
        admin=machine.admin,
        simulation=_read_simulation,
        working_folder=machine.working_folder,
    )


def _read_simulation(quota: Path, trace: str) -> tuple[Quota, Trace]:
    # Imported only here: other commands start faster without.
    from tesk_cli.adapters.simulation_files import (  # noqa: PLC0415 - as said above
        read_quota,
        read_trace,
    )

    return read_quota(quota), read_trace(trace)


def _engine_problem(environ: Mapping[str, str], launcher: Path) -> str:
    # Imported only here: the SDK takes longer to load than most commands to run.
    from tesk_taskmaster.adapters.container.discovery import (  # noqa: PLC0415 - as said above
        engine_problem,
    )

    return engine_problem(environ, launcher)


def _describe_error(error: Exception) -> tuple[str, ExitCode]:
    """Return the message for the user and the exit code."""
    if isinstance(error, InvalidRequestError):
        problems = (escape_line(str(each)) for each in error.violations)
        return "\ntesk: ".join(problems), ExitCode.INVALID
    if isinstance(error, TeskError):
        return escape_line(error.message), EXIT_CODES[error.kind]
    for kind, code in _EXIT_CODES.items():
        if isinstance(error, kind):
            return escape_lines(str(error)), code
    text = f"this is a bug of TESK: {type(error).__name__}: {error}"
    return text + " (tesk --verbose shows where)", ExitCode.INTERNAL


def main() -> int:
    """Run the command line of this process; return or raise its exit code."""
    for warning in unknown_variables(os.environ):
        _report(f"tesk: {warning}")
    try:
        build_app()(obj=_dependencies(os.environ), prog_name="tesk")
    except StorageStoppedError:
        _report("stopped; complete files stay")
        # A thread that hangs in a dead connection must not delay the exit.
        os._exit(ExitCode.INTERRUPTED)
    except Exception as error:  # noqa: BLE001 - the last resort: one line for people
        text, code = _describe_error(error)
        if {"-v", "--verbose"} & set(sys.argv):
            traceback.print_exc()
        _report(f"tesk: {text}")
        return code
    return ExitCode.SUCCESS
