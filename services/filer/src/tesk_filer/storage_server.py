"""Serves checks of storages: ``tesk-filer serve``.

It waits for calls of the api and looks at nothing itself: each call is a process of its
own (``tesk_filer.storage_check``), with the settings and credentials of filers. Exit codes as
of ``tesk_filer.main``.
"""

import logging
import os
import sys
from collections.abc import Mapping
from datetime import timedelta

from tesk_filer.adapters.check_process import CheckProcesses
from tesk_filer.adapters.process_logs import hide_secrets
from tesk_filer.config import FilerSettings, Settings
from tesk_filer.servicer.storage import SERVICE, StorageServicer
from tesk_filer.usecases.location_checks import CheckLimits, LocationChecks
from tesk_filer.wiring import check_shared, http_options, open_credentials, open_egress
from tesk_runtime import logs, settings
from tesk_runtime.clock import SystemClock
from tesk_runtime.rpc.interceptors import ErrorInterceptor, InternalTokenInterceptor
from tesk_runtime.rpc.server import RpcServer
from tesk_runtime.rpc.tls import server_credentials
from tesk_runtime.sections import read_token
from tesk_runtime.shutdown import stop_on_signals
from tesk_runtime.unknown_variables import log_unknown_variables

# -P: never import from the current folder, where tasks may write.
_COMMAND = (sys.executable, "-P", "-m", "tesk_filer", "check")
_EX_UNAVAILABLE = 69
_EX_CONFIG = 78  # sysexits.h
_DRAIN = timedelta(seconds=5)
_logger = logging.getLogger("tesk_filer")


def main() -> None:
    """Serve until SIGTERM."""
    try:
        config = settings.load(Settings, os.environ)
        logs.configure("filer", config.log, {})
        hide_secrets(os.environ)
        log_unknown_variables(os.environ, Settings)
        token = read_token(config.grpc.token_file)
        check_shared(config.filer)
        open_egress(config)
        http_options(config, os.environ)
        open_credentials(config.filer, _logger.warning).check()
        server = make_server(config, os.environ, token=token)
    except (settings.SettingsError, ValueError) as error:
        sys.stderr.write(f"tesk-filer: {error}\n")
        sys.exit(_EX_CONFIG)
    stop = stop_on_signals()
    try:
        server.start(config.filer.listen)
    except RuntimeError as error:
        setting = "filer.listen (TESK_FILER_LISTEN)"
        sys.stderr.write(f"tesk-filer: {setting}: {config.filer.listen}: {error}\n")
        sys.exit(_EX_UNAVAILABLE)
    _logger.info("serving", extra={"address": config.filer.listen})
    stop.wait()
    server.set_serving(serving=False)
    server.stop(_DRAIN)
    _logger.info("stopped")


def make_server(
    config: Settings, environ: Mapping[str, str], *, token: str
) -> RpcServer:
    """Return the server, not started.

    Raises:
        ValueError: The files of TLS do not form a pair.
    """
    limits = _limits(config.filer)
    checks = LocationChecks(
        checker=CheckProcesses(command=_COMMAND, environ=environ),
        clock=SystemClock(),
        limits=limits,
    )
    return RpcServer(
        services=[SERVICE],
        register=StorageServicer(checks).register,
        interceptors=[
            ErrorInterceptor(logging.getLogger("tesk_filer.rpc")),
            InternalTokenInterceptor(token),
        ],
        # Those that wait for a slot, and those that are refused, hold one, too.
        threads=4 * limits.at_once,
        with_reflection=config.grpc.reflection,
        credentials=server_credentials(config.grpc),
    )


def _limits(filer: FilerSettings) -> CheckLimits:
    return CheckLimits(
        timeout=filer.check_timeout,
        at_once=filer.checks_at_once,
        urls_per_minute=filer.checked_urls_per_minute,
    )
