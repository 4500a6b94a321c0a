"""Programs for tests of the launcher, and lists of the files that it makes."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

ALL_BYTES = bytes(range(256)) * 1024  # more than a pipe holds, no last newline
MARK = "\x02err\x02"

Launch = Callable[..., subprocess.CompletedProcess[bytes]]


def compile_c(source: str, target: Path, *flags: str, compiler: str = "cc") -> bool:
    """Compile one file of C; False if this machine cannot."""
    try:
        done = subprocess.run(
            [*compiler.split(), *flags, "-x", "c", "-", "-o", target],
            input=source.encode(),
            capture_output=True,
            check=False,
        )
    except FileNotFoundError:
        return False
    return done.returncode == 0


def python(code: str) -> tuple[str, ...]:
    """Give the end of a command line that runs ``code``."""
    return ("--", sys.executable, "-c", code)


def writes(data: bytes, *, stream: int = 1) -> tuple[str, ...]:
    """Give the end of a command line that writes ``data``, whole blocks of 256."""
    blocks = f"{data[:256]!r} * {len(data) // 256}"
    loop = f"while data: data = data[os.write({stream}, data):]"
    return python(f"import os; data = {blocks}\n{loop}")


def script(path: Path, text: str, mode: int = 0o755) -> Path:
    """Write a program, and return its path."""
    path.write_text(text)
    path.chmod(mode)
    return path


def below(destination: Path, path: Path) -> Path:
    """Tell where --collect puts ``path``."""
    return destination / path.relative_to("/")


def listing(root: Path) -> dict[str, str]:
    """Map each path below ``root`` to its kind and mode, or link content."""
    return {
        str(path.relative_to(root)): (
            f"-> {path.readlink()}"
            if path.is_symlink()
            else f"{'dir' if path.is_dir() else 'file'} {path.stat().st_mode & 0o7777:o}"
        )
        for path in sorted(root.rglob("*"))
    }
