"""Prepares the root of a run's sandbox, and collects outputs from it."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

from tesk_model.paths import normalize, parent
from tesk_runtime.removal import remove_tree
from tesk_runtime.rooted_files import RootedFiles
from tesk_taskmaster.adapters.sandbox.collection import OutputCollector
from tesk_taskmaster.adapters.sandbox.streams import (
    StreamError,
    find_place,
    is_mounted,
    is_reference,
    root_folder,
)
from tesk_taskmaster.adapters.sandbox.view import (
    HOME,
    SandboxView,
    canonical,
    search_path,
    writable_directories,
)
from tesk_taskmaster.domain.executor_run import ExecutorRun


def prepare_root(
    run: ExecutorRun,
    programs: tuple[str, ...],
    concealed: frozenset[str],
    replaced: Mapping[str, Path],
) -> list[str]:
    """Make the root of a run and return the arguments of bubblewrap for it.

    Args:
        run: Its root must not be in use.
        programs: More folders of this machine that are shown.
        concealed: Real paths of this machine that must not be visible.
        replaced: Files that are shown instead of those of this machine, by path.

    Raises:
        OSError: The root cannot be made.
        StreamError: The working directory cannot be made.
    """
    root = root_folder(run)
    remove_tree(root)  # of an earlier start that failed
    root.mkdir(parents=True)
    view = _view(run, programs, concealed, replaced)
    arguments = [
        *view.build(run.mounts, run.references),
        *_environment(run, search_path(programs)),
        *("--chdir", _make_workdir(run)),
    ]
    (run.folder / "shown").write_text(json.dumps(sorted(view.shown)), "utf-8")
    return arguments


def collect(run: ExecutorRun) -> None:
    """Move outputs of the command outside its mounts into the task volume.

    The root is untrusted by now, so the list of shown paths was saved before.

    Raises:
        OSError: An output cannot be moved.
    """
    if not run.step.collect:
        return
    shown = frozenset(json.loads((run.folder / "shown").read_text("utf-8")))
    collector = OutputCollector(
        RootedFiles(root_folder(run)), RootedFiles(run.volume), shown
    )
    for pattern in run.step.collect:
        collector.collect(pattern)


def _view(
    run: ExecutorRun,
    programs: tuple[str, ...],
    concealed: frozenset[str],
    replaced: Mapping[str, Path],
) -> SandboxView:
    executor = run.step.executor
    used = [parent(canonical(mount.target)) for mount in (*run.mounts, *run.references)]
    used += [OutputCollector.directory(pattern) for pattern in run.step.collect]
    workdir = normalize(executor.workdir or "/")
    if not Path(workdir).is_dir() and not is_mounted(run, workdir):
        used.append(workdir)
    writable = writable_directories(used)
    return SandboxView(root_folder(run), programs, writable, concealed, replaced)


def _make_workdir(run: ExecutorRun) -> str:
    workdir = normalize(run.step.executor.workdir or "/")
    shown = canonical(workdir)
    if not is_mounted(run, workdir) and Path(workdir).is_dir():
        root = root_folder(run) / shown.lstrip("/")
        root.mkdir(parents=True, exist_ok=True)
        return workdir
    try:
        tree, place = find_place(run, workdir)
        is_made = not is_reference(run, workdir)
        os.close(tree.open_directory(place, create=is_made))
    except OSError as error:
        raise StreamError(f"workdir: {workdir}: {error.strerror}") from error
    return workdir


def _environment(run: ExecutorRun, path: str) -> list[str]:
    environ = {"PATH": path, "HOME": HOME, **run.step.executor.env}
    arguments = ["--clearenv"]
    for name, value in environ.items():
        arguments += ["--setenv", name, value]
    return arguments
