"""The one file that knows every name: environment, wiring, last resort."""

import os
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tesk_cli.adapters.container_engine import container_problem
from tesk_cli.adapters.credentials import read_credentials
from tesk_cli.adapters.examples import example_path, list_examples
from tesk_cli.adapters.system_clock import SystemClock
from tesk_cli.adapters.tes_server import HttpTaskServer
from tesk_cli.adapters.validation import examine_task
from tesk_cli.cli.app import build_app
from tesk_cli.cli.doors import Doors
from tesk_cli.config import Settings
from tesk_cli.domain.exits import EXIT_CODES, ExitCode
from tesk_cli.serve.console import serve
from tesk_cli.serve.embedded import Embedded, embedded_server
from tesk_cli.serve.errors import HomeInUseError, ServeError
from tesk_cli.serve.home import StateHome
from tesk_cli.serve.plan import ServerPlan, storage_of
from tesk_cli.serve.supervisor import Supervisor
from tesk_cli.usecases.following import WaitTimeoutError
from tesk_model.errors import InvalidRequestError, TeskError, UnavailableError
from tesk_runtime.sections import state_home
from tesk_runtime.settings import SettingsError, load
from tesk_runtime.shutdown import stop_on_signals

# Where `make launcher` puts it.
_BUILT_LAUNCHER = Path(__file__).parents[3] / "build" / "launcher"


@dataclass(frozen=True, slots=True)
class _Machine:
    """Servers on this machine, with the settings of the environment."""

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
                # Somebody else was faster: theirs will do, in a moment.
                raise UnavailableError(str(error)) from error
            yield own

    def serve(self, verbose: bool) -> None:  # noqa: FBT001 - one question
        supervisor = self._supervisor((), embedded=False, verbose=verbose)
        serve(supervisor, stop_on_signals(), _say)

    def _supervisor(
        self, folders: tuple[Path, ...], *, embedded: bool, verbose: bool = False
    ) -> Supervisor:
        settings = load(Settings, self.environ)
        named = tuple(Path(root).absolute() for root in settings.local.file_roots)
        roots = tuple(dict.fromkeys(named or (Path.cwd(), *folders)))
        launcher = Path(settings.taskmaster.launcher or _BUILT_LAUNCHER)
        plan = ServerPlan(
            host="127.0.0.1" if embedded else settings.api.host,
            port=0 if embedded else settings.api.port,
            home=state_home(settings.local, self.environ),
            engine=settings.local.engine,
            file_roots=roots,
            environ={**self.environ, "TESK_TASKMASTER_LAUNCHER": str(launcher)},
            storage=() if settings.api.storage else storage_of(roots),
            verbose=verbose,
        )
        return Supervisor(
            plan=plan,
            probe_containers=lambda: container_problem(self.environ, launcher),
            report=_say,
        )


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201 - for the person at the terminal


def _doors(environ: Mapping[str, str]) -> Doors:
    machine = _Machine(environ)
    return Doors(
        connect=lambda url: HttpTaskServer(url, auth=read_credentials(url, environ)),
        validate=examine_task,
        clock=SystemClock(),
        local_server=machine.local_server,
        embedded=machine.embedded,
        serve=machine.serve,
        examples=list_examples,
        example_path=example_path,
    )


def _explain(error: Exception) -> tuple[str, ExitCode]:
    """Return what to tell the user, and how to end."""
    if isinstance(error, InvalidRequestError):
        return "\ntesk: ".join(map(str, error.violations)), ExitCode.INVALID
    if isinstance(error, TeskError):
        return error.message, EXIT_CODES[error.kind]
    if isinstance(error, HomeInUseError | SettingsError):
        return str(error), ExitCode.INVALID
    if isinstance(error, ServeError):
        return str(error), ExitCode.UNAVAILABLE
    if isinstance(error, WaitTimeoutError):
        return str(error), ExitCode.TIMED_OUT
    text = f"this is a bug of TESK: {type(error).__name__}: {error}"
    return text + " (tesk --verbose shows where)", ExitCode.INTERNAL


def main() -> int:
    """Run the command line of this process; return or raise its exit code."""
    try:
        build_app()(obj=_doors(os.environ), prog_name="tesk")
    except Exception as error:  # noqa: BLE001 - the last resort: one line for people
        text, code = _explain(error)
        if {"-v", "--verbose"} & set(sys.argv):
            traceback.print_exc()
        _say(f"tesk: {text}")
        return code
    return ExitCode.SUCCESS
