"""Runs filers as processes of this machine."""

import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import msgspec

from tesk_model.names import Attempt
from tesk_runtime import settings
from tesk_runtime.logs import LogSettings
from tesk_runtime.removal import remove_tree
from tesk_runtime.sections import (
    GrpcSettings,
    LocalSettings,
    StorageLogins,
    UrlSettings,
)
from tesk_runtime.tracing import TracingSettings
from tesk_taskmaster.adapters.detached_process import DetachedProcess, LaunchSpec
from tesk_taskmaster.adapters.task_folders import TaskFolders
from tesk_taskmaster.domain.step_names import direction_of, title_of
from tesk_taskmaster.domain.termination import StepResult, Termination, judge
from tesk_taskmaster.domain.transfer_result import TransferResult, transfer_result

# -P: never import from the current folder, where tasks may write.
FILER_COMMAND = (sys.executable, "-P", "-m", "tesk_filer")
_NO_WAIT = timedelta(0)
# Filers log where this taskmaster does.
_STDERR = 2


class _FilerSections(msgspec.Struct, frozen=True):
    """The sections of settings that filers read."""

    log: LogSettings
    tracing: TracingSettings
    grpc: GrpcSettings
    local: LocalSettings
    urls: UrlSettings
    filer: StorageLogins


# A list of what is passed, not of what is withheld: secrets have any name.
_PASSED_PREFIXES = ("TESK_FILER_", "AWS_", "AZURE_", "GOOGLE_", "SSL_")
_WITHHELD = frozenset({"TESK_GRPC_TOKEN_FILE", "TESK_GRPC_TLS_KEY"})
_PASSED = frozenset(
    {
        settings.CONFIG_VARIABLE,
        *(
            variable
            for field in settings.fields(_FilerSections)
            for variable in field.variables
        ),
        *("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "PYTHONPATH"),
        *("http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy"),
        *("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY"),
        *("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
    }
    - _WITHHELD
)


def filer_environ(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the part of the environment that filers get.

    Settings, credentials and proxies. Not the token of the internal calls: a filer
    uses that of its attempt.
    """
    return {
        name: value
        for name, value in environ.items()
        if name in _PASSED or name.startswith(_PASSED_PREFIXES)
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class FilerSettings:
    """How filers are started.

    Attributes:
        environ: Of every filer, besides the variables of its transfer.
        command: The program and its first arguments.
    """

    environ: Mapping[str, str]
    command: tuple[str, ...] = FILER_COMMAND


@dataclass(frozen=True, slots=True)
class FilerProcesses:
    """Starts filers and finds them again."""

    folders: TaskFolders
    settings: FilerSettings

    def start(self, process: DetachedProcess, attempt: Attempt, step: str) -> None:
        """Start the filer of a step, or adopt it unless it died.

        Raises:
            OSError: It cannot be started.
        """
        folder = process.folder
        if process.was_started():
            end = process.wait(_NO_WAIT)
            if end is None:
                return
            result = transfer_result(-1 if end.code is None else end.code)
            if result is not TransferResult.CRASHED:
                return
            process.kill()
            remove_tree(folder)
        folder.mkdir(parents=True, exist_ok=True)
        nothing = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        try:
            process.start(
                LaunchSpec(
                    environ=self._environ(attempt, step),
                    streams=(nothing, _STDERR, _STDERR),
                    pass_fds=(),
                    arguments=lambda _lock, _more: self.settings.command,
                )
            )
        finally:
            os.close(nothing)

    @staticmethod
    def wait(
        process: DetachedProcess, step: str, timeout: timedelta
    ) -> StepResult | None:
        """Wait for the filer; one that vanished counts as a crash."""
        end = process.wait(timeout)
        if end is None:
            return None
        process.kill()  # the rest of its process group
        return judge(
            Termination(
                name=title_of(step),
                ram=None,
                exit_code=end.code,
                started_at=end.started_at,
                ended_at=end.ended_at,
                was_stopped=end.stopped,
            )
        )

    @staticmethod
    def stop(process: DetachedProcess, grace: timedelta) -> None:
        """Stop the filer; it may use ``grace`` to undo an incomplete upload."""
        if not process.is_alive():
            return
        process.mark_stopped()
        process.signal_group(signal.SIGTERM)
        process.wait(grace)
        process.kill()

    def _environ(self, attempt: Attempt, step: str) -> dict[str, str]:
        return {
            **self.settings.environ,
            "TESK_HOME": str(self.folders.home),
            "TESK_FILER_TASK": attempt.task_id,
            "TESK_FILER_ATTEMPT": str(attempt.number),
            "TESK_FILER_DIRECTION": direction_of(step) or "",
            "TESK_FILER_VOLUME": str(self.folders.volume(attempt)),
            "TESK_FILER_TOKEN_FILE": str(token_file(self.folders, attempt)),
        }


def token_file(folders: TaskFolders, attempt: Attempt) -> Path:
    """Return the file with the transfer token of an attempt."""
    return folders.attempt(attempt) / "token"
