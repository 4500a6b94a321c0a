"""The local runtime, beyond the contract of runtimes."""

import threading
from datetime import timedelta
from pathlib import Path

import pytest

from builders.tasks import make_assigned_task, make_executor
from fakes.taskmaster_engine import RecordingEngine
from tesk_filer.config import Settings as FilerProgramSettings
from tesk_model.names import Attempt
from tesk_model.reasons import Reason
from tesk_model.task import Input, Task, TaskId
from tesk_runtime.settings import fields
from tesk_taskmaster.adapters.local.factory import BUILT_LAUNCHER
from tesk_taskmaster.adapters.local.filer_process import (
    FilerProcesses,
    FilerSettings,
    filer_environ,
)
from tesk_taskmaster.adapters.local.runtime import LocalRuntime
from tesk_taskmaster.adapters.task_folders import TaskFolders
from tesk_taskmaster.domain.planning import plan_task
from tesk_taskmaster.ports import StepFailedError

ATTEMPT = Attempt(TaskId("t1"), 1)
GENEROUS = timedelta(seconds=60)


class FirstSayError(Exception):
    """Somebody was told to wait."""


@pytest.fixture
def folders(tmp_path: Path) -> TaskFolders:
    return TaskFolders(tmp_path.resolve())


def runtime_of(
    folders: TaskFolders, *filer: str, engine: RecordingEngine | None = None
) -> LocalRuntime:
    filers = FilerSettings(environ={"PATH": "/usr/bin:/bin"}, command=filer)
    return LocalRuntime(
        folders, engine or RecordingEngine(), FilerProcesses(folders, filers)
    )


def prepare(runtime: LocalRuntime, task: Task | None = None) -> None:
    plan = plan_task(task or make_assigned_task(), ATTEMPT)
    runtime.prepare(plan, "secret-token", lambda _reason: None)


def test_directories_are_writable_by_any_uid(folders: TaskFolders) -> None:
    prepare(runtime_of(folders), make_assigned_task(volumes=("/vol/A", "/w")))

    for path in ("", "vol/A", "w"):
        assert (folders.volume(ATTEMPT) / path).stat().st_mode & 0o7777 == 0o777


def test_the_transfer_token_is_readable_by_us_alone(folders: TaskFolders) -> None:
    prepare(runtime_of(folders))

    file = folders.attempt(ATTEMPT) / "token"
    assert file.read_text() == "secret-token"
    assert file.stat().st_mode & 0o777 == 0o600
    assert folders.attempt(ATTEMPT).stat().st_mode & 0o077 == 0


def test_a_filer_gets_the_variables_that_it_needs(folders: TaskFolders) -> None:
    task = make_assigned_task(inputs=(Input(path="/w/a", url="s3://b/a"),))
    runtime = runtime_of(folders, "/bin/sh", "-c", 'env >"$TESK_HOME/seen"')
    plan = plan_task(task, ATTEMPT)
    runtime.prepare(plan, "secret-token", lambda _reason: None)
    runtime.start(plan, "in", lambda _reason: None)
    assert runtime.wait(ATTEMPT, "in", GENEROUS) is not None

    seen = (folders.home / "seen").read_text().splitlines()
    attempt = folders.attempt(ATTEMPT)
    for line in (
        "TESK_FILER_TASK=t1",
        "TESK_FILER_ATTEMPT=1",
        "TESK_FILER_DIRECTION=inputs",
        f"TESK_FILER_VOLUME={attempt}/volume",
        f"TESK_FILER_TOKEN_FILE={attempt}/token",
    ):
        assert line in seen
    assert not any("secret-token" in line for line in seen)


FILER_GETS = {
    "where the machine's programs are": ("PATH", "PYTHONPATH", "TMPDIR"),
    "the user's folder, for ~/.aws": ("HOME",),
    "language and time zone": ("LANG", "LC_ALL", "TZ"),
    "proxies as most tools write them": ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"),
    "proxies as curl writes them": ("http_proxy", "https_proxy", "no_proxy"),
    "proxies of other schemes": ("FTP_PROXY", "ftp_proxy", "ALL_PROXY", "all_proxy"),
    "authorities to trust": ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"),
    "credentials of S3": ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"),
    "credentials of Azure": ("AZURE_CLIENT_ID", "AZURE_FEDERATED_TOKEN_FILE"),
    "credentials of Google": ("GOOGLE_APPLICATION_CREDENTIALS",),
    "files of credentials": ("TESK_FILER_CREDENTIALS", "TESK_FILER_KNOWN_HOSTS"),
    "its own settings": ("TESK_FILER_S3_ENDPOINT", "TESK_LOG_LEVEL", "TESK_CONFIG"),
    "what else it reads": ("TESK_HOME", "TESK_FILE_ROOTS", "TESK_GRPC_SCHEDULER"),
    "what it checks the scheduler by": ("TESK_GRPC_TLS_CA",),
    "logins of http and ftp": ("NETRC",),
}
FILER_LACKS = {
    "databases": ("DATABASE_URL", "TESK_SCHEDULER_DATABASE", "PGPASSWORD"),
    "the token of internal calls": ("TESK_GRPC_TOKEN_FILE",),
    "the key of the scheduler": ("TESK_GRPC_TLS_KEY",),
    "the name of its taskmaster": ("TESK_TASKMASTER_ID",),
    "a user of the command line": ("TESK_USER", "TESK_PASSWORD", "TESK_SERVER"),
    "other services": ("TESK_API_USERS_FILE", "TESK_QUOTA_USERS"),
    "secrets of others": ("GITHUB_TOKEN", "VAULT_TOKEN", "SECRET_KEY", "SSH_AUTH_SOCK"),
    "what only looks alike": ("MY_HTTP_PROXY", "HOMEDIR", "XAWS_SECRET", "Http_Proxy"),
    "what loads code": ("LD_PRELOAD", "PYTHONSTARTUP"),
}


@pytest.mark.parametrize("names", FILER_GETS.values(), ids=FILER_GETS)
def test_filers_get(names: tuple[str, ...]) -> None:
    given = {name: f"value of {name}" for name in names}

    assert filer_environ(given) == given


@pytest.mark.parametrize("names", FILER_LACKS.values(), ids=FILER_LACKS)
def test_filers_do_not_get(names: tuple[str, ...]) -> None:
    assert filer_environ(dict.fromkeys(names, "x")) == {}


def test_filers_get_every_setting_that_they_read_but_secrets_of_others() -> None:
    read = {field.variable for field in fields(FilerProgramSettings)}

    kept_back = read - set(filer_environ(dict.fromkeys(read, "x")))

    assert kept_back == {"TESK_GRPC_TOKEN_FILE", "TESK_GRPC_TLS_KEY"}


def test_a_volume_from_before_a_restart_of_the_machine_is_lost(
    folders: TaskFolders,
) -> None:
    runtime_before = runtime_of(TaskFolders(folders.home, boot="first"))
    prepare(runtime_before)
    runtime_before.detach(ATTEMPT)

    runtime_after = runtime_of(TaskFolders(folders.home, boot="second"))
    with pytest.raises(StepFailedError, match="restarted") as caught:
        prepare(runtime_after)

    assert caught.value.lost


def test_two_taskmasters_never_work_on_one_attempt(folders: TaskFolders) -> None:
    first = runtime_of(folders)
    prepare(first)

    def refuse(_reason: Reason) -> None:
        raise FirstSayError

    second = runtime_of(folders)
    plan = plan_task(make_assigned_task(), ATTEMPT)
    with pytest.raises(FirstSayError):
        second.prepare(plan, "token", refuse)


def test_a_successor_waits_until_the_attempt_is_released(folders: TaskFolders) -> None:
    first = runtime_of(folders)
    prepare(first)
    waiting = threading.Event()
    second = runtime_of(folders)
    plan = plan_task(make_assigned_task(), ATTEMPT)
    thread = threading.Thread(
        target=second.prepare, args=(plan, "token", lambda _reason: waiting.set())
    )
    thread.start()
    assert waiting.wait(30)
    first.detach(ATTEMPT)
    thread.join(30)

    assert not thread.is_alive()


def test_a_link_is_not_mounted_as_a_file(folders: TaskFolders) -> None:
    engine = RecordingEngine()
    runtime = runtime_of(folders, engine=engine)
    task = make_assigned_task(executors=(make_executor(stdin="/a.txt"),))
    plan = plan_task(task, ATTEMPT)
    runtime.prepare(plan, "token", lambda _reason: None)
    (folders.volume(ATTEMPT) / "a.txt").symlink_to("/etc/passwd")

    runtime.start(plan, "x0", lambda _reason: None)

    assert engine.runs[0].mounts == ()


def test_a_failure_to_make_the_volume_is_explained(folders: TaskFolders) -> None:
    (folders.home / "tasks").write_text("in the way")

    with pytest.raises(StepFailedError, match="task volume cannot be made"):
        prepare(runtime_of(folders))


def test_release_removes_trees_of_any_mode(folders: TaskFolders) -> None:
    runtime = runtime_of(folders)
    prepare(runtime, make_assigned_task(volumes=("/w",)))
    deep = folders.volume(ATTEMPT) / "w" / "a" / "b"
    deep.mkdir(parents=True)
    (deep / "f").touch()
    deep.chmod(0)
    deep.parent.chmod(0o500)

    runtime.release(ATTEMPT)

    assert not folders.attempt(ATTEMPT).exists()


def test_the_launcher_is_where_make_builds_it() -> None:
    root = next(p for p in Path(__file__).parents if (p / "Makefile").exists())

    assert root / "build" / "launcher" == BUILT_LAUNCHER
