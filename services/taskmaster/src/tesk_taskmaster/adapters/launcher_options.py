"""Builds the launcher's command line for an executor."""

from collections.abc import Sequence

from tesk_model.paths import OWN_FOLDER
from tesk_model.patterns import escape_pattern
from tesk_taskmaster.domain.plan import ExecutorStep

LAUNCHER_TARGET = f"{OWN_FOLDER}/launcher"
VOLUME_TARGET = f"{OWN_FOLDER}/volume"

REFERENCE_CHECK = "tesk-references"
"""Name of the init container that checks references."""

# A quarter of what Linux allows for all arguments and variables of a program with
# the usual stack; with more the launcher would not start.
_MAX_PATTERN_BYTES = 512 * 1024
_OVERHEAD_PER_PATTERN = 48  # the option, two pointers, the path of the volume


def launcher_options(
    step: ExecutorStep, *, volume: str, outputs: Sequence[str]
) -> Sequence[str]:
    """Return the options for the task's disk, working directory, redirects and outputs.

    A redirect outside every mount is written into the volume at once: a user that
    is not root may not write to ``/``. So stdin is read from there first.

    Args:
        step: The executor.
        volume: Where the whole volume is mounted, if the step needs it.
        outputs: See ``Plan.outputs``.

    Source:
        services/taskmaster/launcher/README.md.
    """
    executor = step.executor
    redirects = [path for path in (executor.stdout, executor.stderr) if path]
    direct = {path for path in redirects if escape_pattern(path) in step.collect}

    def redirect_path(path: str | None) -> str | None:
        return f"{volume}{path}" if path in direct else path

    disk = step.mounts[0].path if step.mounts else volume if step.collect else None
    options = (
        ("--disk", disk),
        ("--chdir", executor.workdir),
        ("--stdin", f"{volume}{executor.stdin}" if step.stdin_in_volume else None),
        ("--stdin", executor.stdin),
        ("--stdout", redirect_path(executor.stdout)),
        ("--stderr", redirect_path(executor.stderr)),
    )
    arguments = [part for option in options if option[1] for part in option if part]
    written = {escape_pattern(path) for path in direct}
    for pattern in step.collect:
        if pattern not in written:
            arguments += ["--collect", pattern, volume]
    for pattern in _readable(step, volume, outputs):
        arguments += ["--readable", pattern]
    return arguments


def _readable(step: ExecutorStep, volume: str, outputs: Sequence[str]) -> list[str]:
    """Return the patterns of outputs; if they are too many, all mounts instead."""
    size = sum(len(pattern.encode()) + _OVERHEAD_PER_PATTERN for pattern in outputs)
    if size > _MAX_PATTERN_BYTES:
        mounted = [escape_pattern(mount.path) for mount in step.mounts]
        return [*mounted, volume] if step.collect else mounted
    collected = set(step.collect)
    return [f"{volume}{path}" if path in collected else path for path in outputs]
