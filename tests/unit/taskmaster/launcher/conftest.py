"""The launcher, as the first process of an executor container.

Each test runs the compiled binary: what it promises is what a kernel, a file
system and a container runtime see of it, and its README lists that.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from taskmasters.launcher import Launch, compile_c
from taskmasters.pod_steps import Pod

SOURCES = Path(__file__).parents[4] / "services" / "taskmaster" / "launcher"


COMPILERS = (
    pytest.param(("cc",), id="this machine's", marks=pytest.mark.long),
    pytest.param(
        (
            "musl-gcc",
            f"{sys.executable} -m ziglang cc -target {os.uname().machine}-linux-musl",
        ),
        id="musl, as in the images",
    ),
)


@pytest.fixture(scope="session", params=COMPILERS)
def binary(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    folder = tmp_path_factory.mktemp("launcher")
    if sys.platform != "linux":
        pytest.skip("the launcher is a Linux program")
    if shutil.which("make") is None:
        pytest.skip("building the launcher needs make")
    compiler = next((each for each in request.param if _links(folder, each)), None)
    if compiler is None:
        tried = " or ".join(request.param)
        pytest.skip(f"building the launcher needs a static C library: {tried}")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MAKE")}
    target = folder / "launcher"
    subprocess.run(
        ["make", "-s", "-C", SOURCES, f"CC={compiler}", f"OUT={target}"],
        env=environment,
        check=True,
    )
    return target


def _links(folder: Path, compiler: str) -> bool:
    probe = folder / "probe"
    return compile_c(
        "int main(void) { return 0; }", probe, "-static", compiler=compiler
    )


@pytest.fixture
def launch(binary: Path) -> Launch:
    """Run the launcher to its end: options and command in, streams out."""

    def run(
        *arguments: str | Path, **extra: object
    ) -> subprocess.CompletedProcess[bytes]:
        settings: dict[str, object] = {
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            "timeout": 60,
            "check": False,
            **extra,
        }
        return subprocess.run([binary, *arguments], **settings)  # type: ignore[call-overload,no-any-return]  # noqa: PLW1510

    return run


@pytest.fixture
def pod(binary: Path, tmp_path: Path) -> Pod:
    return Pod(binary=binary, root=tmp_path)
