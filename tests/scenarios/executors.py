"""Scenarios of executors: argv, environment, streams, order and failure."""

from scenarios.scenario import Scenario, Storage, Task, codes, logs, shell, system_logs

NASTY = [
    "",
    "a b",
    "$(HOME)",
    "$HOME `id`",
    "'single'",
    '"double"',
    "new\nline",
    "ünï→😀",
    "-n",
    "\\back",
    "$$(X) %s",
]
EVERY_BYTE = "".join(f"\\{byte:03o}" for byte in range(256))
ALL_BYTES = bytes(range(256))


def _hello(_storage: Storage) -> Task:
    return {"name": "hello", "executors": [shell("echo hello; echo oops >&2")]}


def _check_hello(task: Task, _storage: Storage) -> None:
    assert codes(task) == [0]
    assert logs(task)[0]["stdout"] == "hello\n"
    assert logs(task)[0]["stderr"] == "oops\n"
    assert logs(task)[0]["start_time"] <= logs(task)[0]["end_time"]
    assert task["logs"][0]["start_time"] <= task["logs"][0]["end_time"]
    assert task["logs"][0]["outputs"] == []


def _arguments(storage: Storage) -> Task:
    script = 'printf "%s\\0" "$@" > /out/args'
    return {
        "executors": [shell(script, *NASTY)],
        "outputs": [{"path": "/out/args", "url": storage.url("args")}],
    }


def _check_arguments(_task: Task, storage: Storage) -> None:
    want = b"".join(item.encode() + b"\0" for item in NASTY)
    assert storage.get("args") == want


def _environment(storage: Storage) -> Task:
    env = {f"V{index}": value for index, value in enumerate(NASTY)}
    script = 'for i in "$@"; do eval "printf \'%s\\0\' \\"\\$V$i\\""; done > /out/env'
    return {
        "executors": [
            shell(script, *(str(index) for index in range(len(NASTY))), env=env)
        ],
        "outputs": [{"path": "/out/env", "url": storage.url("env")}],
    }


def _check_environment(_task: Task, storage: Storage) -> None:
    want = b"".join(item.encode() + b"\0" for item in NASTY)
    assert storage.get("env") == want


def _nothing_of_ours_leaks(_storage: Storage) -> Task:
    return {
        "inputs": [{"path": "/in/a", "content": "waited for"}],
        "executors": [shell("env"), shell("env")],
    }


def _check_nothing_leaks(task: Task, _storage: Storage) -> None:
    printed = "".join(log["stdout"] for log in logs(task))
    assert "TESK" not in printed
    assert "TOKEN" not in printed


def _streams(storage: Storage) -> Task:
    return {
        "executors": [
            shell(
                f"printf '{EVERY_BYTE}'; printf 'err{EVERY_BYTE}' >&2",
                stdout="/deep/er/out.bin",
                stderr="/deep/err.bin",
            ),
            {
                "image": "busybox",
                "command": ["cat"],
                "stdin": "/deep/er/out.bin",
                "stdout": "/copy/out.bin",
            },
        ],
        "outputs": [
            {"path": "/deep/er/out.bin", "url": storage.url("out")},
            {"path": "/deep/err.bin", "url": storage.url("err")},
            {"path": "/copy/out.bin", "url": storage.url("copy")},
        ],
    }


def _check_streams(task: Task, storage: Storage) -> None:
    assert codes(task) == [0, 0]
    assert storage.get("out") == ALL_BYTES
    assert storage.get("err") == b"err" + ALL_BYTES
    assert storage.get("copy") == ALL_BYTES


def _opened_again(storage: Storage) -> Task:
    one = "echo one and more; echo two > /dev/stdout; echo three"
    two = (
        "echo one and more >&2; echo two | tee /dev/stderr > /dev/null; echo three >&2"
    )
    return {
        "executors": [
            shell(f"{one}; printf 'a\\r\\nb\\r\\n'"),
            shell(two),
            shell(one, stdout="/o/out"),
            shell(two, stderr="/o/err"),
        ],
        "outputs": [
            {"path": "/o/out", "url": storage.url("out")},
            {"path": "/o/err", "url": storage.url("err")},
        ],
    }


def _check_opened_again(task: Task, storage: Storage) -> None:
    want = "one and more\ntwo\nthree\n"
    printed = [(entry["stdout"], entry["stderr"]) for entry in logs(task)]
    assert printed == [(f"{want}a\r\nb\r\n", ""), ("", want), (want, ""), ("", want)]
    assert storage.get("out") == storage.get("err") == want.encode()


def _long_output(_storage: Storage) -> Task:
    script = "i=0; while [ $i -lt 3000 ]; do echo line-$i-0123456789012345678901234567; i=$((i+1)); done"
    return {"executors": [shell(script)]}


def _check_long_output(task: Task, _storage: Storage) -> None:
    printed = logs(task)[0]["stdout"]
    assert printed.endswith("line-2999-0123456789012345678901234567\n")
    assert 60_000 < len(printed) <= 65_536


def _workdir(_storage: Storage) -> Task:
    return {"executors": [shell("pwd; touch here", workdir="/some/where/new")]}


def _check_workdir(task: Task, _storage: Storage) -> None:
    assert logs(task)[0]["stdout"] == "/some/where/new\n"


def _volume(_storage: Storage) -> Task:
    return {
        "volumes": ["/vol/A/"],
        "executors": [
            shell("ls -A /vol/A; echo one > /vol/A/x"),
            shell("cat /vol/A/x; echo two >> /vol/A/x"),
            shell("cat /vol/A/x"),
        ],
    }


def _check_volume(task: Task, _storage: Storage) -> None:
    assert [entry["stdout"] for entry in logs(task)] == ["", "one\n", "one\ntwo\n"]


def _failure(storage: Storage) -> Task:
    return {
        "executors": [
            shell("echo partial > /out/log; echo why >&2; exit 3"),
            shell("echo never"),
        ],
        "outputs": [{"path": "/out/log", "url": storage.url("log")}],
    }


def _check_failure(task: Task, storage: Storage) -> None:
    assert codes(task) == [3]
    assert logs(task)[0]["stderr"] == "why\n"
    assert storage.get("log") == b"partial\n"
    assert task["logs"][0]["outputs"][0]["size_bytes"] == "8"


def _ignored(_storage: Storage) -> Task:
    return {
        "executors": [
            shell("exit 7", ignore_error=True),
            {"image": "busybox", "command": ["ERROR"], "ignore_error": True},
            shell("echo on"),
        ]
    }


def _check_ignored(task: Task, _storage: Storage) -> None:
    assert codes(task) == [7, 127, 0]


def _not_found(_storage: Storage) -> Task:
    return {"executors": [{"image": "busybox", "command": ["no-such-program", "x"]}]}


def _check_not_found(task: Task, _storage: Storage) -> None:
    assert codes(task) == [127]
    assert "no-such-program" in logs(task)[0]["stderr"]


def _not_executable(_storage: Storage) -> Task:
    return {
        "volumes": ["/vol"],
        "executors": [
            shell("echo text > /vol/plain"),
            {"image": "busybox", "command": ["/vol/plain"]},
        ],
    }


def _check_not_executable(task: Task, _storage: Storage) -> None:
    assert codes(task) == [0, 126]


def _killed(_storage: Storage) -> Task:
    return {"executors": [shell("kill -9 $$")]}


def _check_killed(task: Task, _storage: Storage) -> None:
    assert codes(task) == [137]


def _unknown_fields(_storage: Storage) -> Task:
    return {
        "executors": [shell("true")],
        "resources": {"cpuCores": 4, "backend_parameters": {"VmSize": "big"}},
    }


def _check_unknown_fields(task: Task, _storage: Storage) -> None:
    assert "cpuCores" in system_logs(task)
    assert "vmsize" in system_logs(task).lower()
    assert "backend_parameters" not in task.get("resources", {})


SCENARIOS: dict[str, Scenario] = {
    "output of a command, stdout and stderr apart": Scenario(
        body=_hello, check=_check_hello
    ),
    "argv arrives byte for byte": Scenario(body=_arguments, check=_check_arguments),
    "env arrives byte for byte": Scenario(body=_environment, check=_check_environment),
    "nothing of TESK leaks into the environment": Scenario(
        body=_nothing_of_ours_leaks, check=_check_nothing_leaks
    ),
    "stdin, stdout and stderr are redirected byte for byte": Scenario(
        body=_streams, check=_check_streams
    ),
    "a stream that is opened again loses nothing": Scenario(
        body=_opened_again, check=_check_opened_again
    ),
    "the log keeps the last 64 KiB": Scenario(
        body=_long_output, check=_check_long_output
    ),
    "a working directory is made": Scenario(body=_workdir, check=_check_workdir),
    "executors run in order and share a volume": Scenario(
        body=_volume, check=_check_volume
    ),
    "a failure stops the task and its outputs are uploaded": Scenario(
        body=_failure, state="EXECUTOR_ERROR", check=_check_failure
    ),
    "ignored errors": Scenario(body=_ignored, check=_check_ignored),
    "a command that does not exist": Scenario(
        body=_not_found, state="EXECUTOR_ERROR", check=_check_not_found
    ),
    "a command that is not executable": Scenario(
        body=_not_executable, state="EXECUTOR_ERROR", check=_check_not_executable
    ),
    "a command that is killed": Scenario(
        body=_killed, state="EXECUTOR_ERROR", check=_check_killed
    ),
    "unknown fields and parameters are named": Scenario(
        body=_unknown_fields, check=_check_unknown_fields
    ),
}
