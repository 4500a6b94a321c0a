"""Validates and normalizes the container paths of a task.

One tree of paths is shared by all steps of a task: a file at container path
``/work/a`` lies at ``work/a`` in the task volume, for executors and filers
alike, so that no step has to translate.
"""

import re
from collections.abc import Iterator

from tesk_model.patterns import (
    WILDCARDS,
    first_wildcard,
    has_alternatives,
    unescape,
    unescape_wildcards,
)

# TESK's folder in every container and volume. No image and no path of a task uses it.
OWN_FOLDER = "/.tesk"

_FORBIDDEN_TREE = re.compile(
    r"/(proc|sys|dev(?!/shm(/|\Z))|var/run/secrets/kubernetes\.io)(/|\Z)"
)
_MAX_PATH_BYTES = 4095
_MAX_SEGMENT_BYTES = 255
# Deeper than any real tree; walking or removing a tree takes time by its depth.
_MAX_SEGMENTS = 100

# These themselves, and whole trees of them. A home directory is where images
# of bioinformatics tools keep their programs (/home/<user>/bin).
_SYSTEM_DIRECTORY = re.compile(r"/|/var(/(lib|run|cache|log))?|/home(/[^/]+)?")
_SYSTEM_TREE = re.compile(
    r"/(bin|boot|etc|lib|lib32|lib64|libx32|libexec|opt|root|run|sbin|usr)(/.*)?",
    re.DOTALL,
)


def normalize(path: str) -> str:
    """Return ``path`` without doubled, trailing or ``.`` segments; ``/`` stays."""
    # Most paths are plain, and each request asks for many.
    if path.startswith("/") and not ("//" in path or "/." in path or path[-1] == "/"):
        return path
    segments = [segment for segment in path.split("/") if segment not in ("", ".")]
    return "/" + "/".join(segments)


def parent(path: str) -> str:
    """Return the directory that holds the normalized ``path``."""
    return path.rpartition("/")[0] or "/"


def is_within(path: str, directory: str) -> bool:
    """Tell whether ``path`` is ``directory`` or below it; both normalized."""
    return directory in {path, "/"} or path.startswith(directory + "/")


def path_problem(path: str) -> str | None:
    """Return what is wrong with a container path that a client sent, if anything.

    Returns:
        A phrase that follows the field name, or None for a good path.

    Source:
        GA4GH TES 1.1 ("absolute path"); the rest keeps a task inside its own
        tree and away from what the container runtime mounts.
    """
    return next(_path_problems(path), None)


def _path_problems(path: str) -> Iterator[str]:
    segments = path.split("/")
    if not path.startswith("/"):
        yield "must be an absolute path"
    if "\0" in path:
        yield "must not contain NUL"
    if ".." in segments:
        yield 'must not contain ".." segments'
    if len(path.encode()) > _MAX_PATH_BYTES:
        yield f"must not be longer than {_MAX_PATH_BYTES} bytes"
    # Most paths are shorter than a segment may be.
    if len(path.encode()) > _MAX_SEGMENT_BYTES and any(
        len(segment.encode()) > _MAX_SEGMENT_BYTES for segment in segments
    ):
        yield f"must not have a segment longer than {_MAX_SEGMENT_BYTES} bytes"
    # A short path cannot have so many.
    if len(path) > _MAX_SEGMENTS and _depth(segments) > _MAX_SEGMENTS:
        yield f"must not be deeper than {_MAX_SEGMENTS} directories"
    plain = normalize(path)
    if plain == "/":
        yield 'must not be "/" itself'
    if _FORBIDDEN_TREE.match(plain):
        yield (
            "must not be under /proc, /sys, /dev (but /dev/shm) or "
            "/var/run/secrets/kubernetes.io, which belong to the container runtime"
        )
    if is_within(plain, OWN_FOLDER):
        yield f"must not be under {OWN_FOLDER}, which belongs to TESK"


def _depth(segments: list[str]) -> int:
    return sum(segment not in ("", ".") for segment in segments)


def is_system_directory(path: str) -> bool:
    """Tell whether images own the normalized directory ``path``.

    Such a directory is never replaced by a mount, so that image content stays
    visible: an input there is mounted as a single file, and an output there
    is collected when the executor has ended.
    """
    return any(
        rule.fullmatch(path) is not None for rule in (_SYSTEM_DIRECTORY, _SYSTEM_TREE)
    )


def is_pattern(path: str, path_prefix: str | None) -> bool:
    """Tell whether an output path has wildcards.

    ``[`` alone counts only beside a ``path_prefix``: Nextflow, which tests for
    ``*`` and ``?`` only, sends literal names with brackets and no prefix.

    Source:
        GA4GH TES 1.1 ``tesOutput.path``; POSIX 2.13.
    """
    return first_wildcard(path, WILDCARDS if path_prefix else "*?") is not None


def output_path(path: str, path_prefix: str | None) -> str:
    """Return the normalized pattern, or else the literal path, of an output."""
    plain = normalize(path)
    return plain if is_pattern(path, path_prefix) else unescape_wildcards(plain)


def literal_directory(pattern: str) -> str:
    """Return the deepest directory above the first wildcard of ``pattern``.

    Braces that can be expanded count as a wildcard.
    """
    return unescape(_directory_before(pattern, first_wildcard(pattern)))


def output_directory(path: str, path_prefix: str | None) -> str:
    """Return the directory in which an output is looked for."""
    plain = output_path(path, path_prefix)
    if is_pattern(path, path_prefix):
        return literal_directory(plain)
    return _directory_before(plain, None)


def _directory_before(path: str, first: int | None) -> str:
    if has_alternatives(path):
        brace = path.index("{")
        first = brace if first is None else min(first, brace)
    return parent(path if first is None else path[: first + 1])
