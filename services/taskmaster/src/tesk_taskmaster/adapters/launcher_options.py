"""The launcher's command line for an executor, whatever container it runs in."""

from collections.abc import Sequence

from tesk_model.patterns import escape_pattern
from tesk_taskmaster.domain.plan import ExecutorStep

# What every container shows of TESK. No image has this folder, so nothing of an
# image is hidden; no path of a task lies below it.
OWN_FOLDER = "/.tesk"
LAUNCHER_TARGET = f"{OWN_FOLDER}/launcher"
VOLUME_TARGET = f"{OWN_FOLDER}/volume"

# Bytes. A quarter of what Linux takes for all arguments and variables of a
# program, with the usual stack; more would keep the launcher from starting.
_MOST_NAMES = 512 * 1024
_BESIDE_A_NAME = 48  # the option, two pointers, the path of the volume


def launcher_options(
    step: ExecutorStep, *, volume: str, outputs: Sequence[str]
) -> Sequence[str]:
    """Return the options for working directory, redirects and outputs.

    A redirect that would be collected is written into the volume at once: an
    image whose user is not root may not write to ``/``. So stdin is looked for
    there first, if no mount shows it.

    Args:
        step: The executor.
        volume: Where the container sees the whole volume, if the step reaches it.
        outputs: See ``Plan.outputs``.

    Source:
        services/taskmaster/launcher/README.md.
    """
    executor = step.executor
    redirects = [path for path in (executor.stdout, executor.stderr) if path]
    direct = {path for path in redirects if escape_pattern(path) in step.collect}

    def place(path: str | None) -> str | None:
        return f"{volume}{path}" if path in direct else path

    options = (
        ("--chdir", executor.workdir),
        ("--stdin", f"{volume}{executor.stdin}" if step.stdin_in_volume else None),
        ("--stdin", executor.stdin),
        ("--stdout", place(executor.stdout)),
        ("--stderr", place(executor.stderr)),
    )
    words = [word for option in options if option[1] for word in option if word]
    written = {escape_pattern(path) for path in direct}
    for pattern in step.collect:
        if pattern not in written:
            words += ["--collect", pattern, volume]
    for pattern in _readable(step, volume, outputs):
        words += ["--readable", pattern]
    return words


def _readable(step: ExecutorStep, volume: str, outputs: Sequence[str]) -> list[str]:
    """Tell where outputs lie; if these are too many to name, all they lie in."""
    size = sum(len(pattern.encode()) + _BESIDE_A_NAME for pattern in outputs)
    if size > _MOST_NAMES:
        mounted = [escape_pattern(mount.path) for mount in step.mounts]
        return [*mounted, volume] if step.collect else mounted
    collected = set(step.collect)
    return [f"{volume}{path}" if path in collected else path for path in outputs]
