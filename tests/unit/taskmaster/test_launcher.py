"""The launcher, as the first process of an executor container.

Each test runs the compiled binary: what it promises is what a kernel, a file
system and a container runtime see of it, and its README lists that.
"""

import glob
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

SOURCES = Path(__file__).parents[3] / "services" / "taskmaster" / "launcher"
ALL_BYTES = bytes(range(256)) * 1024  # more than a pipe holds, no last newline
MARK = "\x02err\x02"

Launch = Callable[..., subprocess.CompletedProcess[bytes]]


def compile_c(source: str, target: Path, *flags: str) -> bool:
    """Compile one file of C; False if this machine cannot."""
    done = subprocess.run(
        ["cc", *flags, "-x", "c", "-", "-o", target],
        input=source.encode(),
        capture_output=True,
        check=False,
    )
    return done.returncode == 0


@pytest.fixture(scope="module")
def binary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("launcher")
    if sys.platform != "linux":
        pytest.skip("the launcher is a Linux program")
    if shutil.which("cc") is None or shutil.which("make") is None:
        pytest.skip("building the launcher needs a C compiler (cc) and make")
    if not compile_c("int main(void) { return 0; }", folder / "probe", "-static"):
        pytest.skip("building the launcher needs a static C library")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MAKE")}
    target = folder / "launcher"
    subprocess.run(
        ["make", "-s", "-C", SOURCES, "CC=cc", f"OUT={target}"],
        env=environment,
        check=True,
    )
    return target


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


def python(code: str) -> tuple[str, ...]:
    """Give the end of a command line that runs ``code``."""
    return ("--", sys.executable, "-c", code)


def writes(data: bytes, *, stream: int = 1) -> tuple[str, ...]:
    """Give the end of a command line that writes ``data``, whole blocks of 256."""
    blocks = f"{data[:256]!r} * {len(data) // 256}"
    loop = f"while data: data = data[os.write({stream}, data):]"
    return python(f"import os; data = {blocks}\n{loop}")


def script(path: Path, text: str, mode: int = 0o755) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


def below(destination: Path, path: Path) -> Path:
    """Tell where --collect puts ``path``."""
    return destination / path.relative_to("/")


# --- the command ---------------------------------------------------------------

ARGUMENTS = {
    "empty strings": ["", "", "a", ""],
    "newlines and tabs": ["a\nb", "\t", "\r\n"],
    "quotes and shell characters": ["'", '"', "\\", "$HOME", "`id`", "*", ";", "|"],
    "Kubernetes variable syntax": ["$(HOME)", "$$(HOME)", "$$"],
    "unicode": ["żółw", "日本語", "🐢"],
    "what looks like options of ours": ["--", "--stdout", "/tmp/x", "--nope"],
    "one long argument": ["x" * 100_000],
}


@pytest.mark.parametrize("arguments", ARGUMENTS.values(), ids=ARGUMENTS)
def test_arguments_arrive_literally(launch: Launch, arguments: list[str]) -> None:
    code = "import json, sys; print(json.dumps(sys.argv[1:]))"

    done = launch(*python(code), *arguments)

    assert json.loads(done.stdout) == arguments


def test_the_environment_arrives_unchanged(launch: Launch) -> None:
    environment = {"A": "$(B)", "B": "", "PATH": "/nowhere"}

    code = "import json, os; print(json.dumps(dict(os.environ)))"
    done = launch("--", sys.executable, "-I", "-c", code, env=environment)

    assert environment.items() <= json.loads(done.stdout).items()


EXITS = {
    "success": ("import sys; sys.exit(0)", 0),
    "failure": ("import sys; sys.exit(3)", 3),
    "the highest code": ("import sys; sys.exit(255)", 255),
    "killed": ("import os; os.kill(os.getpid(), 9)", 128 + 9),
    "killed by a broken pipe": (
        "import os, signal; signal.signal(13, signal.SIG_DFL); os.kill(os.getpid(), 13)",
        128 + 13,
    ),
}


@pytest.mark.parametrize(("code", "want"), EXITS.values(), ids=EXITS)
def test_exit_code_is_that_of_the_child(launch: Launch, code: str, want: int) -> None:
    assert launch(*python(code)).returncode == want


STARTS = {
    "not in PATH": ("tool", None, 127, "launcher: tool: not found"),
    "no name at all": ("", None, 127, "launcher: : not found"),
    "no such path": ("{tmp}/tool", None, 127, "launcher: {tmp}/tool: not found"),
    "path through a file": (
        "{tmp}/bin/tool/x",
        ("", 0o755),
        127,
        "launcher: {tmp}/bin/tool/x: not found",
    ),
    "a newline in the name": ("a\nb", None, 127, r"launcher: a\nb: not found"),
    "not executable, in PATH": (
        "tool",
        ("#!/bin/sh\n", 0o644),
        126,
        "launcher: tool: not executable: Permission denied",
    ),
    "not executable, by path": (
        "{tmp}/bin/tool",
        ("#!/bin/sh\n", 0o644),
        126,
        "launcher: {tmp}/bin/tool: not executable: Permission denied",
    ),
    "a directory": (
        "{tmp}/bin",
        None,
        126,
        "launcher: {tmp}/bin: not executable: Permission denied",
    ),
    "text that no kernel runs, and no shell either": (
        "tool",
        ("echo hello\n", 0o755),
        126,
        "launcher: tool: not executable: Exec format error",
    ),
    "a script whose interpreter is missing": (
        "tool",
        ("#! /no/such/interpreter -x\n", 0o755),
        127,
        "launcher: tool: its interpreter /no/such/interpreter: not found",
    ),
    "a script with Windows line ends": (
        "{tmp}/bin/tool",
        ("#!/bin/sh\r\n", 0o755),
        127,
        r"launcher: {tmp}/bin/tool: its interpreter /bin/sh\r: not found",
    ),
}


@pytest.mark.parametrize(
    ("name", "tool", "want_code", "want_line"), STARTS.values(), ids=STARTS
)
def test_a_program_that_does_not_start_says_why(
    launch: Launch,
    tmp_path: Path,
    name: str,
    tool: tuple[str, int] | None,
    want_code: int,
    want_line: str,
) -> None:
    (tmp_path / "bin").mkdir()
    report = tmp_path / "report"
    if tool is not None:
        script(tmp_path / "bin" / "tool", *tool)

    done = launch(
        "--report",
        report,
        "--",
        name.replace("{tmp}", str(tmp_path)),
        env={"PATH": f"/no/such/directory:{tmp_path}/bin"},
    )

    want_line = want_line.replace("{tmp}", str(tmp_path))
    assert (done.returncode, done.stderr.decode()) == (want_code, want_line + "\n")
    assert json.loads(report.read_text())["exit_code"] == want_code
    assert f"launcher: {json.loads(report.read_text())['error']}" == want_line


def test_a_missing_loader_is_named(launch: Launch, tmp_path: Path) -> None:
    tool = tmp_path / "tool"
    flag = "-Wl,--dynamic-linker=/no/such/loader"
    if not compile_c("int main(void) { return 0; }", tool, flag):
        pytest.skip("this C compiler cannot name a dynamic loader")

    done = launch("--", tool)

    assert done.returncode == 127
    assert b"its interpreter /no/such/loader: not found" in done.stderr


def test_the_first_executable_in_path_wins(launch: Launch, tmp_path: Path) -> None:
    for folder, mode in {"a": 0o644, "b": 0o755, "c": 0o755}.items():
        (tmp_path / folder).mkdir()
        script(
            tmp_path / folder / "tool", f"#!{sys.executable}\nprint('{folder}')\n", mode
        )

    done = launch(
        "--", "tool", env={"PATH": ":".join(f"{tmp_path}/{x}" for x in "abc")}
    )

    assert done.stdout == b"b\n"


def test_path_is_searched_from_the_new_directory(
    launch: Launch, tmp_path: Path
) -> None:
    script(tmp_path / "tool", f"#!{sys.executable}\nprint('here')\n")

    done = launch("--chdir", tmp_path, "--", "tool", env={"PATH": "/nowhere:"})

    assert done.stdout == b"here\n"


def test_a_default_path_serves_when_none_is_set(launch: Launch) -> None:
    assert launch("--", "true", env={}).returncode == 0


USAGES = {
    "an unknown option": (["--nope", "--", "true"], "option --nope is not known"),
    "a value is missing": (["--report"], "option --report is not known or lacks"),
    "no command": (["--chdir", "/", "--"], "usage: launcher"),
    "no arguments": ([], "usage: launcher"),
    "a command without --": (["true"], "option true is not known"),
    "a limit that is no number": (["--log-limit", "-1", "--", "true"], '"-1" is not'),
    "a relative source": (["--collect", "a", "/b", "--", "true"], '"a" is not'),
    "a source that climbs": (["--collect", "/a/..", "/b", "--", "true"], "/a/.."),
    "a relative pattern": (["--readable", "a", "--", "true"], '"a" is not'),
    "a pattern that climbs": (["--readable", "/a/../b", "--", "true"], "/a/../b"),
}


@pytest.mark.parametrize(("arguments", "want"), USAGES.values(), ids=USAGES)
def test_a_wrong_command_line_is_refused(
    launch: Launch, arguments: list[str], want: str
) -> None:
    done = launch(*arguments)

    assert done.returncode == 125
    assert done.stderr.decode().startswith("launcher: ")
    assert want in done.stderr.decode()
    assert done.stderr.count(b"\n") == 1


# --- the working directory ------------------------------------------------------


def test_the_directory_is_created_for_everyone(launch: Launch, tmp_path: Path) -> None:
    work = tmp_path / "a" / "b"

    code = "import os; print(os.getcwd(), oct(os.umask(0)))"
    done = launch("--chdir", work, *python(code), umask=0o027)

    assert done.stdout.decode() == f"{work} 0o27\n"  # the child's umask is untouched
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (work, work.parent)}
    assert modes == {0o777}


def test_directories_are_made_for_everyone_before_anything_else(
    launch: Launch, tmp_path: Path
) -> None:
    work, out = tmp_path / "a" / "b", tmp_path / "c d:e"
    options = ("--chdir", work, "--stdout", out / "log")

    done = launch(*options, "--mkdir", work, "--mkdir", out, "--", "pwd", umask=0o077)

    assert done.returncode == 0
    assert (out / "log").read_text() == f"{work}\n"
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (work, work.parent, out)}
    assert modes == {0o777}


@pytest.mark.parametrize("option", ["--chdir", "--mkdir"])
def test_an_existing_directory_keeps_its_mode(
    launch: Launch, tmp_path: Path, option: str
) -> None:
    tmp_path.chmod(0o700)

    assert launch(option, tmp_path, "--", "true").returncode == 0

    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o700


BLOCKED = {
    "directory": ("--mkdir", "{tmp}/file/x", "mkdir: {tmp}/file/x: Not a directory"),
    "directory in the place of a file": (
        "--mkdir",
        "{tmp}/file",
        "mkdir: {tmp}/file: Not a directory",
    ),
    "working directory": (
        "--chdir",
        "{tmp}/file",
        "chdir: {tmp}/file: Not a directory",
    ),
    "stdin": ("--stdin", "{tmp}/none", "stdin: {tmp}/none: No such file or directory"),
    "a directory as stdin": ("--stdin", "{tmp}", "stdin: {tmp}: Is a directory"),
    "stdout": ("--stdout", "{tmp}/file/x", "stdout: {tmp}/file/x: Not a directory"),
    "stderr": ("--stderr", "{tmp}", "stderr: {tmp}: Is a directory"),
}


@pytest.mark.parametrize(("option", "path", "want"), BLOCKED.values(), ids=BLOCKED)
def test_what_cannot_be_opened_is_named_and_nothing_runs(
    launch: Launch, tmp_path: Path, option: str, path: str, want: str
) -> None:
    (tmp_path / "file").touch()
    report = tmp_path / "report"

    done = launch(
        option,
        path.replace("{tmp}", str(tmp_path)),
        "--report",
        report,
        *python("print('ran')"),
    )

    want = want.replace("{tmp}", str(tmp_path))
    assert (done.returncode, done.stdout) == (125, b"")
    assert done.stderr.decode() == f"launcher: {want}\n"
    assert json.loads(report.read_text())["error"] == want


# --- streams --------------------------------------------------------------------


@pytest.mark.parametrize(("option", "stream"), [("--stdout", 1), ("--stderr", 2)])
def test_a_redirect_keeps_every_byte(
    launch: Launch, tmp_path: Path, option: str, stream: int
) -> None:
    target = tmp_path / "new" / "folder" / "out"

    done = launch(option, target, *writes(ALL_BYTES, stream=stream))

    assert done.returncode == 0
    assert target.read_bytes() == ALL_BYTES
    assert stat.S_IMODE(target.parent.stat().st_mode) == 0o777


def test_an_inherited_stream_keeps_every_byte(launch: Launch) -> None:
    assert launch(*writes(ALL_BYTES)).stdout == ALL_BYTES


def test_a_redirect_replaces_what_the_file_held(launch: Launch, tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.write_bytes(b"much longer than what comes now")

    launch("--stdout", target, *python("print('new')"))

    assert target.read_bytes() == b"new\n"


def test_both_streams_may_share_a_file(launch: Launch, tmp_path: Path) -> None:
    target = tmp_path / "out"

    code = "import os\nfor n in 1, 2, 1: os.write(n, b'%d\\n' % n)"
    done = launch("--stdout", target, "--stderr", target, *python(code))

    assert target.read_bytes() == b"1\n2\n1\n"
    assert (done.stdout, done.stderr) == (b"1\n2\n1\n", b"")


def test_stdin_comes_from_the_file(launch: Launch, tmp_path: Path) -> None:
    source, target = tmp_path / "in", tmp_path / "out"
    source.write_bytes(ALL_BYTES)

    code = "import shutil, sys; shutil.copyfileobj(sys.stdin.buffer, sys.stdout.buffer)"
    launch("--stdin", source, "--stdout", target, *python(code))

    assert target.read_bytes() == ALL_BYTES


TAILS = {
    "all of a short stream": ([], b"a" * 256, 256),
    "the default limit": ([], ALL_BYTES, 65536),
    "a smaller limit": (["--log-limit", "10"], ALL_BYTES, 10),
    "nothing": (["--log-limit", "0"], ALL_BYTES, 0),
    "more than there is": (["--log-limit", "9999999999"], ALL_BYTES, len(ALL_BYTES)),
}


@pytest.mark.parametrize(("options", "data", "want"), TAILS.values(), ids=TAILS)
def test_the_log_gets_the_end_of_a_redirected_stream(
    launch: Launch, tmp_path: Path, options: list[str], data: bytes, want: int
) -> None:
    out = launch("--stdout", tmp_path / "out", *options, *writes(data))
    err = launch("--stderr", tmp_path / "err", *options, *writes(data, stream=2))

    end = data[len(data) - want :]
    assert (out.stdout, out.stderr) == (end, b"")
    assert (err.stdout, err.stderr) == (b"", end)


MARKED = {
    "nothing": (b"", b""),
    "whole lines": (b"one\ntwo\n", b"<one\n<two\n"),
    "a partial last line": (b"one\ntwo", b"<one\n<two\n"),
    "empty lines": (b"\n\nx\n", b"<\n<\n<x\n"),
    "a line longer than any buffer": (b"x" * 200_000, b"<" + b"x" * 200_000 + b"\n"),
    "many short lines": (b"a\n" * 50_000, b"<a\n" * 50_000),
}


@pytest.mark.parametrize("redirected", [False, True], ids=["inherited", "redirected"])
@pytest.mark.parametrize(("data", "want"), MARKED.values(), ids=MARKED)
def test_marks_start_each_line_of_stderr(
    launch: Launch, tmp_path: Path, data: bytes, want: bytes, *, redirected: bool
) -> None:
    source, target = tmp_path / "in", tmp_path / "err"
    source.write_bytes(data)
    redirect = ["--stderr", target, "--log-limit", "999999"] if redirected else []

    code = "import shutil, sys; shutil.copyfileobj(sys.stdin.buffer, sys.stderr.buffer)"
    done = launch("--mark-stderr", MARK, "--stdin", source, *redirect, *python(code))

    assert done.stderr == want.replace(b"<", MARK.encode())
    assert not redirected or target.read_bytes() == data


def test_marks_leave_stdout_alone_and_cover_our_own_lines(launch: Launch) -> None:
    done = launch("--mark-stderr", MARK, *python("print('out')"))
    failed = launch("--mark-stderr", MARK, "--", "/no/such/program")

    assert (done.stdout, done.stderr) == (b"out\n", b"")
    want = f"{MARK}launcher: /no/such/program: not found\n"
    assert failed.stderr.decode() == want


def test_a_background_process_does_not_hold_up_the_end(launch: Launch) -> None:
    code = """
import os, signal
if os.fork() == 0:
    signal.alarm(30)  # nobody else would end it, outside a container
    os.close(1)
    signal.pause()
os.write(2, b"last words")
"""

    done = launch("--mark-stderr", "<", *python(code))

    assert (done.returncode, done.stderr) == (0, b"<last words\n")


# --- signals and processes ------------------------------------------------------

FORWARDED = ["SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2"]


@pytest.mark.parametrize("name", FORWARDED)
def test_signals_are_forwarded(binary: Path, name: str) -> None:
    code = f"""
import signal
signal.signal(signal.{name}, lambda *_: (print("got it"), exit(7)))
print("ready", flush=True)
while True:
    signal.pause()
"""
    with subprocess.Popen([binary, *python(code)], stdout=subprocess.PIPE) as launcher:
        assert launcher.stdout is not None
        assert launcher.stdout.readline() == b"ready\n"

        launcher.send_signal(signal.Signals[name])

        assert launcher.stdout.read() == b"got it\n"
        assert launcher.wait(60) == 7


def test_a_child_ended_by_a_forwarded_signal_gives_143(
    binary: Path, tmp_path: Path
) -> None:
    report = tmp_path / "report"
    code = "import signal; print('ready', flush=True); signal.pause()"
    command: list[str | Path] = [binary, "--report", report, *python(code)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as launcher:
        assert launcher.stdout is not None
        launcher.stdout.readline()

        launcher.terminate()

        assert launcher.wait(60) == 143
    assert json.loads(report.read_text())["signal"] == 15


def test_the_child_starts_with_default_signals(launch: Launch) -> None:
    def spoil() -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGALRM})
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)

    done = launch("--", "cat", "/proc/self/status", preexec_fn=spoil)

    lines = dict(line.split(":\t") for line in done.stdout.decode().splitlines())
    assert (int(lines["SigBlk"], 16), int(lines["SigIgn"], 16)) == (0, 0)


def test_the_child_inherits_no_descriptor_of_ours(
    launch: Launch, tmp_path: Path
) -> None:
    source = tmp_path / "in"
    source.touch()

    done = launch(
        *("--stdin", source, "--stdout", tmp_path / "out", "--mark-stderr", "<"),
        *python("import os; print(sorted(os.listdir('/proc/self/fd'), key=int))"),
    )

    assert done.stdout == b"['0', '1', '2', '3']\n"  # 3 is the listing itself


def test_orphans_are_adopted_and_reaped(binary: Path) -> None:
    code = """
import os
told, tell = os.pipe()
if os.fork() == 0:
    middle = os.getpid()
    if os.fork() == 0:
        while os.getppid() == middle:  # its files are closed before it is gone
            os.sched_yield()
        os.write(tell, f"{os.getpid()} {os.getppid()}".encode())
    os._exit(0)
os.wait()
orphan, parent = map(int, os.read(told, 100).split())
while os.path.exists(f"/proc/{orphan}"):  # a zombie would stay for ever
    os.sched_yield()
print(parent)
"""
    with subprocess.Popen([binary, *python(code)], stdout=subprocess.PIPE) as launcher:
        output, _ = launcher.communicate(timeout=60)

    assert int(output) == launcher.pid
    assert launcher.returncode == 0


# --- collecting -----------------------------------------------------------------


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Files as a container may leave them outside its mounts."""
    root = tmp_path / "image"
    (root / "deep" / "empty").mkdir(parents=True)
    (root / "a.txt").write_bytes(ALL_BYTES)
    (root / "b.txt").write_text("b")
    (root / "c.dat").write_text("c")
    script(root / "deep" / "run.sh", "#!/bin/sh\n", 0o750)
    (root / "deep" / "link").symlink_to("run.sh")
    (root / "deep" / "dangling").symlink_to("/no/such/file")
    (root / "top").symlink_to("/no/such/file")
    (root / "deep").chmod(0o555)
    return root


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


DEEP = ["deep", "deep/dangling", "deep/empty", "deep/link", "deep/run.sh"]
COLLECTED: dict[str, tuple[str, list[str]]] = {
    "a file": ("a.txt", ["a.txt"]),
    "a directory": ("deep", DEEP),
    "a directory with a trailing slash": ("deep/", DEEP),
    "a pattern": ("*.txt", ["a.txt", "b.txt"]),
    "a pattern with a choice": ("[bc].*", ["b.txt", "c.dat"]),
    "a pattern for a directory": ("d??p", DEEP),
    "a symlink, as a symlink": ("top", ["top"]),
    "nothing": ("none.txt", []),
    "nothing, below a file": ("a.txt/none", []),
    "nothing, by a pattern": ("*.none", []),
}


@pytest.mark.parametrize(("source", "want"), COLLECTED.values(), ids=COLLECTED)
@pytest.mark.parametrize("code", [0, 3])
def test_collect_copies_what_matches_whatever_the_exit_code(
    launch: Launch, tree: Path, tmp_path: Path, source: str, want: list[str], code: int
) -> None:
    volume = tmp_path / "volume" / "outputs"

    done = launch("--collect", f"{tree}/{source}", volume, *python(f"exit({code})"))

    assert (done.returncode, done.stderr) == (code, b"")
    original = listing(tree)
    assert listing(below(volume, tree)) == {name: original[name] for name in want}


def test_collect_finds_a_file_in_a_matched_directory(
    launch: Launch, tree: Path, tmp_path: Path
) -> None:
    launch("--collect", f"{tree}/d??p/*.sh", tmp_path / "volume", "--", "true")

    copied = listing(below(tmp_path / "volume", tree))
    assert copied == {"deep": "dir 777", "deep/run.sh": "file 750"}


def test_collect_keeps_the_bytes_and_takes_many(
    launch: Launch, tree: Path, tmp_path: Path
) -> None:
    one, two = tmp_path / "one", tmp_path / "two"

    launch(
        *("--collect", tree / "a.txt", one, "--collect", tree / "b.txt", two),
        *("--", "true"),
    )

    assert below(one, tree / "a.txt").read_bytes() == ALL_BYTES
    assert below(two, tree / "b.txt").read_text() == "b"


def test_collect_twice_replaces_the_first_copy(
    launch: Launch, tree: Path, tmp_path: Path
) -> None:
    volume = tmp_path / "volume"
    outside = tmp_path / "outside"
    outside.write_text("untouched")
    below(volume, tree).mkdir(parents=True)
    below(volume, tree / "b.txt").symlink_to(outside)

    for _ in range(2):
        assert launch("--collect", tree, volume, "--", "true").returncode == 0

    assert outside.read_text() == "untouched"
    assert listing(below(volume, tree)) == listing(tree)


def test_collect_never_copies_the_destination_into_itself(
    launch: Launch, tree: Path
) -> None:
    volume = tree / "volume"
    volume.mkdir()

    assert launch("--collect", tree, volume, "--", "true").returncode == 0

    assert not below(volume, volume).exists()
    assert below(volume, tree / "a.txt").read_bytes() == ALL_BYTES


@pytest.mark.parametrize("destination", ["/", "", "/proc/self/root"])
def test_collect_onto_the_source_leaves_it_alone(
    launch: Launch, tree: Path, destination: str
) -> None:
    launch("--collect", tree / "a.txt", destination, "--", "true")

    assert (tree / "a.txt").read_bytes() == ALL_BYTES


def test_collect_skips_what_is_no_file(launch: Launch, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    os.mkfifo(tree / "pipe")

    done = launch("--collect", tree, tmp_path / "volume", "--", "true")

    assert done.returncode == 0
    assert f"collect: {tree}/pipe: skipped" in done.stderr.decode()


@pytest.mark.parametrize(("code", "want"), [(0, 125), (3, 3)])
def test_a_failed_copy_is_told_but_hides_no_failure_of_the_child(
    launch: Launch, tree: Path, tmp_path: Path, code: int, want: int
) -> None:
    volume, report = tmp_path / "volume", tmp_path / "report"
    volume.touch()

    done = launch(
        *("--collect", tree / "a.txt", volume, "--report", report),
        *python(f"exit({code})"),
    )

    assert done.returncode == want
    assert b"Not a directory" in done.stderr
    assert "collect: " in json.loads(report.read_text())["error"]
    assert json.loads(report.read_text())["exit_code"] == want


# --- readable -------------------------------------------------------------------


@pytest.fixture
def private(tmp_path: Path) -> Iterator[Path]:
    """Files that nobody but their user may read, as umask 077 leaves them."""
    root = tmp_path / "out"
    for name in ("run-1", "run-2", "other", "run-1/deep"):
        (root / name).mkdir(parents=True)
        (root / name / "a.txt").write_text("a")
        (root / name / "a.txt").chmod(0o600)
    script(root / "run-1" / "run.sh", "#!/bin/sh\n", 0o700)
    (root / "a[1].txt").write_text("a")
    (root / "a[1].txt").chmod(0o200)
    (root / ".hidden").mkdir()
    for folder in (*root.rglob("*/"), root):
        folder.chmod(0o700)
    yield root
    for folder in (root, *root.rglob("*/")):
        folder.chmod(0o700)


def changes(root: Path, act: Callable[[], object]) -> dict[str, str]:
    """Map what ``act`` changes, of ``root`` and all below, to its new mode."""
    before = {".": f"dir {root.stat().st_mode & 0o7777:o}", **listing(root)}
    act()
    after = {".": f"dir {root.stat().st_mode & 0o7777:o}", **listing(root)}
    assert before.keys() == after.keys()
    return {name: mode for name, mode in after.items() if mode != before[name]}


ALL_OF_RUN_1 = {
    "run-1": "dir 755",
    "run-1/a.txt": "file 644",
    "run-1/deep": "dir 755",
    "run-1/deep/a.txt": "file 644",
    "run-1/run.sh": "file 755",
}
READABLE: dict[str, tuple[str, dict[str, str]]] = {
    "a file, and the way to it": (
        "run-1/a.txt",
        {".": "dir 711", "run-1": "dir 711", "run-1/a.txt": "file 644"},
    ),
    "a file that its own user may not read": (
        "a[[]1].txt",
        {".": "dir 711", "a[1].txt": "file 644"},
    ),
    "a directory, with all below": ("run-1", {".": "dir 711", **ALL_OF_RUN_1}),
    "a directory with a trailing slash": (
        "run-1/",
        {".": "dir 711", **ALL_OF_RUN_1},
    ),
    "a pattern for files, and where they are looked up": (
        "run-?/a.*",
        {
            ".": "dir 755",
            "run-1": "dir 755",
            "run-1/a.txt": "file 644",
            "run-2": "dir 755",
            "run-2/a.txt": "file 644",
        },
    ),
    "a pattern for directories": ("*-1", {".": "dir 755", **ALL_OF_RUN_1}),
    "a pattern in the middle": (
        "run-*/deep/a.txt",
        {
            ".": "dir 755",
            "run-1": "dir 711",
            "run-1/deep": "dir 711",
            "run-1/deep/a.txt": "file 644",
            "run-2": "dir 711",
        },
    ),
    "where a pattern was looked up in vain": ("*.none", {".": "dir 755"}),
    "nothing": ("none/a.txt", {".": "dir 711"}),
    "nothing, below a file": (
        "run-1/a.txt/none",
        {".": "dir 711", "run-1": "dir 711"},
    ),
}


@pytest.mark.parametrize(("pattern", "want"), READABLE.values(), ids=READABLE)
@pytest.mark.parametrize("code", [0, 3])
def test_readable_lets_everybody_read_what_matches_and_nothing_else(
    launch: Launch, private: Path, pattern: str, want: dict[str, str], code: int
) -> None:
    def run() -> None:
        options = ("--readable", f"{private}/{pattern}")
        done = launch(*options, *python(f"exit({code})"))
        assert (done.returncode, done.stderr) == (code, b"")

    assert changes(private, run) == want


def test_readable_is_what_the_command_leaves(launch: Launch, tmp_path: Path) -> None:
    out = tmp_path / "out"
    code = f"""
import os
os.umask(0o077)
os.makedirs({str(out / "sub")!r})
open({str(out / "sub" / "a.txt")!r}, "w").close()
"""

    launch("--readable", out, *python(code))

    assert listing(out) == {"sub": "dir 755", "sub/a.txt": "file 644"}


def test_readable_takes_many_and_comes_after_collecting(
    launch: Launch, private: Path, tmp_path: Path
) -> None:
    volume, source = tmp_path / "volume[1]", private / "run-1" / "a.txt"

    launch(
        *("--collect", source, volume),
        *("--readable", f"{glob.escape(str(below(volume, source).parent))}/*.txt"),
        *("--readable", private / "run-2"),
        *("--", "true"),
    )

    assert stat.S_IMODE(below(volume, source).stat().st_mode) == 0o644
    assert stat.S_IMODE(source.stat().st_mode) == 0o600
    assert stat.S_IMODE((private / "run-2" / "a.txt").stat().st_mode) == 0o644


SPARED = {
    "a symlink itself": "link",
    "a symlink on the way": "link/secret",
    "a symlink that matches": "lin?",
    "a symlink that matches on the way": "l*/secret",
    "a symlink below": "",
}


@pytest.mark.parametrize("target", ["outside", "/etc"], ids=["private", "etc"])
@pytest.mark.parametrize("pattern", SPARED.values(), ids=SPARED)
def test_readable_never_follows_a_symlink(
    launch: Launch, tmp_path: Path, pattern: str, target: str
) -> None:
    outside, out = tmp_path / "outside", tmp_path / "out"
    outside.mkdir()
    (outside / "secret").touch(0o600)
    outside.chmod(0o700)
    out.mkdir(0o755)
    (out / "link").symlink_to(tmp_path / target)
    (out / "file").symlink_to(outside / "secret")
    tmp_path.chmod(0o711)  # the way to it, which is opened
    etc = {path: path.lstat().st_mode for path in Path("/etc").iterdir()}

    def run() -> None:
        done = launch("--readable", f"{out}/{pattern}", "--", "true")
        assert (done.returncode, done.stderr) == (0, b"")

    assert changes(tmp_path, run) == {}
    assert {path: path.lstat().st_mode for path in etc} == etc


def test_readable_opens_no_pipe(launch: Launch, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)

    done = launch("--readable", tmp_path, "--", "true")

    assert (done.returncode, done.stderr) == (0, b"")
    assert stat.S_IMODE((tmp_path / "pipe").stat().st_mode) == 0o600


def as_stranger(
    binary: Path, *arguments: str | Path
) -> subprocess.CompletedProcess[bytes]:
    with binary.open("rb") as program:  # which lies where only root may search
        return subprocess.run(
            [f"/proc/self/fd/{program.fileno()}", *arguments],
            pass_fds=[program.fileno()],
            capture_output=True,
            user=12345,
            check=False,
        )


def test_readable_by_root_takes_in_what_others_own(
    launch: Launch, tmp_path: Path
) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can make files of another user")
    out = tmp_path / "out"
    out.mkdir()
    for name in ("theirs", "mine"):
        (out / name).touch(0o600)
    os.chown(out / "theirs", 12345, 12345)

    def run() -> None:
        done = launch("--readable", out, "--", "true")
        assert (done.returncode, done.stderr) == (0, b"")

    assert changes(out, run) == {"mine": "file 644", "theirs": "file 644"}


def test_readable_leaves_what_others_own_and_says_nothing(
    binary: Path, tmp_path: Path
) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can act as another user")
    out = tmp_path / "out"
    out.mkdir(0o755)
    for name in ("theirs", "mine"):
        (out / name).touch(0o600)
    os.chown(out / "mine", 12345, 12345)
    for parent in (tmp_path, *tmp_path.parents):
        if parent.owner() == "root" and not parent.stat().st_mode & 0o001:
            parent.chmod(0o755)

    def run() -> None:
        done = as_stranger(binary, "--readable", out, "--", "true")
        assert (done.returncode, done.stderr) == (0, b"")

    assert changes(out, run) == {"mine": "file 644"}


def test_readable_passes_by_what_it_may_not_search(
    binary: Path, tmp_path: Path
) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can act as another user")
    (tmp_path / "theirs").mkdir(0o700)

    done = as_stranger(binary, "--readable", tmp_path / "theirs" / "a", "--", "true")

    assert (done.returncode, done.stderr) == (0, b"")


def test_readable_tells_failures_in_one_line_and_fails_no_run(
    launch: Launch, tmp_path: Path
) -> None:
    report = tmp_path / "report"
    # Where paths become longer than they may be, there are two.
    code = f"""
import os
os.chdir({str(tmp_path)!r})
for _ in range(20):
    os.mkdir("m" * 250)
    os.mkdir("n" * 250)
    os.chdir("n" * 250)
"""

    done = launch("--report", report, "--readable", tmp_path, *python(code))

    shutil.rmtree(tmp_path / ("n" * 250))
    assert done.returncode == 0
    assert done.stderr.startswith(f"launcher: readable: {tmp_path}/".encode())
    assert done.stderr.endswith(b": File name too long, and 1 more\n")
    assert done.stderr.count(b"\n") == 1
    assert "error" not in json.loads(report.read_text())


def test_readable_is_quick_on_a_large_tree(launch: Launch, tmp_path: Path) -> None:
    out, files = tmp_path / "out", 20_000
    for number in range(files):
        folder = out / f"{number % 100}" / "d"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}").touch(0o600)

    done = launch("--readable", out, "--", "true", timeout=30)

    assert (done.returncode, done.stderr) == (0, b"")
    modes = [path.stat().st_mode for path in out.glob("*/d/*")]
    assert len(modes) == files
    assert {stat.S_IMODE(mode) for mode in modes} == {0o644}


# --- the report -----------------------------------------------------------------


def test_the_report_tells_how_it_went(launch: Launch, tmp_path: Path) -> None:
    report = tmp_path / "report"
    report.write_text("x" * 5000)
    code = """
import time
memory = b"x" * 50_000_000
while time.process_time() < 0.2: pass
"""

    launch("--report", report, *python(code))

    text = report.read_text()
    told = json.loads(text)
    assert text.count("\n") == 1
    assert set(told) == {
        *("exit_code", "signal", "terminated", "started_at", "ended_at"),
        *("max_rss_bytes", "cpu_seconds"),
    }
    assert (told["exit_code"], told["signal"]) == (0, 0)
    assert told["terminated"] is False
    assert 50_000_000 < told["max_rss_bytes"] < 500_000_000
    assert 0.2 <= told["cpu_seconds"] < 60
    started, ended = (
        datetime.strptime(told[name], "%Y-%m-%dT%H:%M:%S.%f%z")
        for name in ("started_at", "ended_at")
    )
    assert timedelta(seconds=0.1) < ended - started < timedelta(seconds=60)
    assert told["ended_at"][-5] == "."
    assert told["ended_at"][-1] == "Z"


NAMES = {
    "quotes and backslashes": (b'/no/"such"\\', '/no/"such"\\: not found'),
    "control characters": (b"/no/\x01\n\x7f", r"/no/\x01\n\x7f: not found"),
    "unicode": ("/no/żółw🐢".encode(), "/no/żółw🐢: not found"),
    "no unicode": (
        b"/no/\xff\xc3(\xed\xa0\x80",
        "/no/\ufffd\ufffd(\ufffd\ufffd\ufffd: not found",
    ),
}


@pytest.mark.parametrize(("name", "want"), NAMES.values(), ids=NAMES)
def test_the_report_is_json_whatever_the_name(
    launch: Launch, tmp_path: Path, name: bytes, want: str
) -> None:
    report = tmp_path / "report"

    launch("--report", report, "--", os.fsdecode(name))

    assert json.loads(report.read_text())["error"] == want


def test_the_report_fits_a_termination_message(launch: Launch, tmp_path: Path) -> None:
    report = tmp_path / "report"

    launch("--report", report, "--", '/"\\' * 1000)

    assert len(report.read_bytes()) <= 4096
    assert json.loads(report.read_text())["exit_code"] == 127


def test_a_report_that_cannot_be_written_fails_nothing(launch: Launch) -> None:
    done = launch("--report", "/no/such/report", "--", "true")

    assert done.returncode == 0
    want = b"launcher: report: /no/such/report: No such file or directory\n"
    assert done.stderr == want
