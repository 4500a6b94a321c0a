"""The launcher's command line for an executor, whatever container it runs in."""

import glob
from collections.abc import Sequence

from tesk_taskmaster.domain.plan import ExecutorStep


def launcher_options(step: ExecutorStep, *, volume: str) -> Sequence[str]:
    """Return the options for working directory, redirects and collecting.

    A redirect that would be collected is written into the volume at once: an
    image whose user is not root may not write to ``/``.

    Args:
        step: The executor.
        volume: Where the container sees the whole volume, if the step collects.

    Source:
        services/taskmaster/launcher/README.md.
    """
    executor = step.executor
    redirects = [path for path in (executor.stdout, executor.stderr) if path]
    direct = {path for path in redirects if glob.escape(path) in step.collect}

    def place(path: str | None) -> str | None:
        return f"{volume}{path}" if path in direct else path

    options = (
        ("--chdir", executor.workdir),
        ("--stdin", executor.stdin),
        ("--stdout", place(executor.stdout)),
        ("--stderr", place(executor.stderr)),
    )
    words = [word for option in options if option[1] for word in option if word]
    written = {glob.escape(path) for path in direct}
    for pattern in step.collect:
        if pattern not in written:
            words += ["--collect", pattern, volume]
    return words
