"""Opens a sandbox engine that works on this machine."""

import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from tesk_taskmaster.adapters.sandbox.bubblewrap import (
    NO_NETWORK,
    SandboxUnavailableError,
    check_bubblewrap,
    find_bubblewrap,
)
from tesk_taskmaster.adapters.sandbox.engine import SandboxEngine
from tesk_taskmaster.adapters.sandbox.network import (
    NetworkError,
    UserNetwork,
    check_network,
    user_networks,
)
from tesk_taskmaster.adapters.sandbox.private_files import PrivateFiles
from tesk_taskmaster.adapters.sandbox.view import shown_paths
from tesk_taskmaster.adapters.task_folders import TaskFolders

_logger = logging.getLogger(__name__)


def open_sandbox_engine(
    folders: TaskFolders,
    environ: Mapping[str, str],
    *,
    programs: Sequence[str] = (),
    hidden: Sequence[str] = (),
    network: Literal["none", "loopback-free", "host"] = "none",
) -> SandboxEngine:
    """Return a working engine.

    Args:
        folders: Where attempts are kept.
        environ: For its PATH, to find bubblewrap.
        programs: More folders of this machine that executors see, read-only.
        hidden: Folders and files that they do not see, even within these.
        network: Of executors; ``loopback-free`` is ``none`` where no program
            connects sandboxes.

    Raises:
        SandboxUnavailableError: This machine cannot make sandboxes.
    """
    program = find_bubblewrap(environ.get("PATH", os.defpath))
    has_network = network == "host"
    try:
        check_bubblewrap(program, () if has_network else NO_NETWORK)
    except SandboxUnavailableError as error:
        if has_network:
            raise
        check_bubblewrap(program)
        msg = (
            f"{error} Or let tasks use this machine's network, without which it "
            "makes no sandbox: TESK_NETWORK=host."
        )
        raise SandboxUnavailableError(msg) from error
    private = None
    if os.geteuid() == 0:
        private = PrivateFiles(sorted(set(shown_paths(programs))))
        private.prefetch()
    return SandboxEngine(
        program,
        folders,
        tuple(programs),
        private,
        hidden=tuple(hidden),
        has_network=has_network,
        network=(
            _find_network(program, environ) if network == "loopback-free" else None
        ),
    )


def _find_network(bubblewrap: Path, environ: Mapping[str, str]) -> UserNetwork | None:
    """Return the program that connects sandboxes here, and log it, or why none does."""
    causes: list[str] = []
    for network in user_networks(environ.get("PATH", os.defpath)):
        try:
            check_network(network, bubblewrap)
        except NetworkError as error:
            causes.append(str(error))
            continue
        _logger.info("sandboxes have a network", extra={"program": network.name})
        return network
    because = "; ".join(causes) or "neither slirp4netns nor pasta (passt) is installed"
    _logger.warning("sandboxes have no network", extra={"because": because})
    return None
