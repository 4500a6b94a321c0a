"""Scenarios of images: what only a runtime with images has (not the sandbox).

The images are those of ``tests/cluster/images``.
"""

from scenarios.scenario import Scenario, Storage, Task, codes, logs, shell, system_logs

STATIC = "tesk-test-static:1"
ENTRYPOINT = "tesk-test-entrypoint:1"
USER = "tesk-test-user:1"
APP = "tesk-test-app:1"
NO_IMAGES = "it is about what is in an image; the sandbox has none"
NO_LIMIT = "the sandbox does not limit memory"


def _several(_storage: Storage) -> Task:
    return {
        "volumes": ["/vol"],
        "executors": [
            shell("echo one > /vol/a"),
            shell("cat /vol/a; echo two >> /vol/a") | {"image": "alpine"},
            {"image": STATIC, "command": ["/busybox", "cat", "/vol/a"]},
        ],
    }


def _check_several(task: Task, _storage: Storage) -> None:
    assert [entry["stdout"] for entry in logs(task)] == ["", "one\n", "one\ntwo\n"]


def _static(storage: Storage) -> Task:
    return {
        "inputs": [
            {"path": "/data", "url": storage.put("data", b"static\n")},
            {"path": "/in/text", "content": "stdin\n"},
        ],
        "executors": [
            {
                "image": STATIC,
                "command": ["/busybox", "cat", "-", "/data"],
                "stdin": "/in/text",
                "stdout": "/out/deep/copy",
                "workdir": "/w",
            },
            {"image": STATIC, "command": ["/busybox", "ls", "/none"]},
        ],
        "outputs": [{"path": "/out/deep/copy", "url": storage.url("copy")}],
    }


def _check_static(task: Task, storage: Storage) -> None:
    assert codes(task) == [0, 1]
    assert storage.get("copy") == b"stdin\nstatic\n"
    assert "/none" in logs(task)[1]["stderr"]


def _no_shell(_storage: Storage) -> Task:
    return {"executors": [{"image": STATIC, "command": ["sh", "-c", "true"]}]}


def _check_no_shell(task: Task, _storage: Storage) -> None:
    assert codes(task) == [127]
    assert "sh" in logs(task)[0]["stderr"]


def _entrypoint(_storage: Storage) -> Task:
    return {
        "executors": [{"image": ENTRYPOINT, "command": ["sh", "-c", "echo command"]}]
    }


def _check_entrypoint(task: Task, _storage: Storage) -> None:
    assert logs(task)[0]["stdout"] == "command\n"


def _user(storage: Storage) -> Task:
    script = (
        "id -u; echo v > /vol/v; echo i > /in/more; echo o > /out/o; "
        "mkdir /tree/sub; echo t > /tree/sub/t; cat /in/a; echo w > here"
    )
    return {
        "volumes": ["/vol"],
        "inputs": [{"path": "/in/a", "url": storage.put("a", b"A\n")}],
        "executors": [
            shell(script, workdir="/vol/new/dir") | {"image": USER},
            shell("cat /vol/v /in/more /out/o /tree/sub/t; echo r > /vol/r"),
            shell("cat /vol/r") | {"image": USER},
        ],
        "outputs": [
            {"path": "/out/o", "url": storage.url("o")},
            {"path": "/tree", "url": storage.url("tree"), "type": "DIRECTORY"},
        ],
    }


def _check_user(task: Task, storage: Storage) -> None:
    assert [entry["stdout"] for entry in logs(task)] == [
        "1234\nA\n",
        "v\ni\no\nt\n",
        "r\n",
    ]
    assert storage.get("o") == b"o\n"
    assert storage.get("tree/sub/t") == b"t\n"


def _workdir(_storage: Storage) -> Task:
    return {"executors": [shell("pwd; id -u", workdir="/new/dir") | {"image": USER}]}


def _check_workdir(task: Task, _storage: Storage) -> None:
    assert logs(task)[0]["stdout"] == "/new/dir\n1234\n"


def _workdir_with_outputs(storage: Storage) -> Task:
    script = "id -u; touch here; mkdir b; echo c > b/c; mkdir d; echo e > d/e"
    return {
        "executors": [shell(script, workdir="/work") | {"image": USER}],
        "outputs": [
            {"path": "/work/b/c", "url": storage.url("c")},
            {"path": "/work/d", "url": storage.url("d"), "type": "DIRECTORY"},
        ],
    }


def _check_workdir_with_outputs(task: Task, storage: Storage) -> None:
    assert logs(task)[0]["stdout"] == "1234\n"
    assert logs(task)[0]["stderr"] == ""
    assert storage.names() == ["c", "d/e"]


def _stdin_of_the_image(storage: Storage) -> Task:
    return {
        "inputs": [{"path": "/in/a", "content": "a\n"}],
        "executors": [
            shell("head -n 1", stdin="/etc/passwd"),
            shell("echo mine", stdout="/line.txt"),
            shell("cat", stdin="/line.txt"),
        ],
        "outputs": [{"path": "/line.txt", "url": storage.url("line")}],
    }


def _check_stdin_of_the_image(task: Task, storage: Storage) -> None:
    printed = [entry["stdout"] for entry in logs(task)]
    assert printed[0].startswith("root:")
    assert printed[1:] == ["mine\n", "mine\n"]
    assert storage.get("line") == b"mine\n"


def _stdin_alone(_storage: Storage) -> Task:
    return {"executors": [shell("head -n 1", stdin="/etc/passwd")]}


def _check_stdin_alone(task: Task, _storage: Storage) -> None:
    assert logs(task)[0]["stdout"].startswith("root:")


def _images_own(storage: Storage) -> Task:
    tool = {"image": APP, "workdir": "/app"}
    return {
        "inputs": [{"path": "/app/in.txt", "content": "x\n"}],
        "executors": [
            shell("mkdir d; ./tool | tee r.txt d/x; cat in.txt; echo e >&2") | tool,
            {"command": ["./tool"], "stdout": "/app/log.txt"} | tool,
            shell("ls -A /empty; touch /empty/one", stderr="/empty/log") | tool,
            shell("ls -A /empty") | {"image": APP},
        ],
        "outputs": [
            {"path": "/app/r.txt", "url": storage.url("r")},
            {"path": "/app/d", "url": storage.url("d"), "type": "DIRECTORY"},
            {"path": "/app/log.*", "path_prefix": "/app", "url": storage.url("p")},
        ],
    }


def _check_images_own(task: Task, storage: Storage) -> None:
    printed = [entry["stdout"] for entry in logs(task)]
    assert printed == ["tool ran\nx\n", "tool ran\n", "log\n", "log\none\n"]
    assert storage.names() == ["d/x", "p/log.txt", "r"], system_logs(task)
    assert storage.get("r") == storage.get("p/log.txt") == b"tool ran\n"


def _file_as_workdir(_storage: Storage) -> Task:
    return {"executors": [shell("true", workdir="/etc/passwd")]}


def _check_file_as_workdir(task: Task, _storage: Storage) -> None:
    assert "cannot be started" in system_logs(task)
    assert "/etc/passwd" in system_logs(task)


def _memory(_storage: Storage) -> Task:
    # A variable that doubles until there is no more.
    return {
        "executors": [shell('x=0123456789abcdef; while :; do x="$x$x"; done')],
        "resources": {"ram_gb": 0.05},
    }


def _check_memory(task: Task, _storage: Storage) -> None:
    assert codes(task) == [137]
    assert "memory" in system_logs(task)


SCENARIOS: dict[str, Scenario] = {
    "executors of several images share one volume": Scenario(
        body=_several, check=_check_several, needs_images=NO_IMAGES
    ),
    "an image without a shell": Scenario(
        body=_static,
        state="EXECUTOR_ERROR",
        check=_check_static,
        needs_images=NO_IMAGES,
    ),
    "a shell that the image does not have": Scenario(
        body=_no_shell,
        state="EXECUTOR_ERROR",
        check=_check_no_shell,
        needs_images=NO_IMAGES,
    ),
    "the command takes the place of an entrypoint": Scenario(
        body=_entrypoint, check=_check_entrypoint, needs_images=NO_IMAGES
    ),
    "an image that is not root writes to all its directories": Scenario(
        body=_user, check=_check_user, needs_images=NO_IMAGES
    ),
    "a working directory is made for an image that is not root": Scenario(
        body=_workdir, check=_check_workdir, needs_images=NO_IMAGES
    ),
    "a working directory is writable for an image that is not root": Scenario(
        body=_workdir_with_outputs,
        check=_check_workdir_with_outputs,
        needs_images=NO_IMAGES,
    ),
    "stdin from a file of the image": Scenario(
        body=_stdin_of_the_image,
        check=_check_stdin_of_the_image,
        needs_images=NO_IMAGES,
    ),
    "stdin from a file of the image, and nothing shared": Scenario(
        body=_stdin_alone, check=_check_stdin_alone, needs_images=NO_IMAGES
    ),
    "what an image has is hidden by no file of a task": Scenario(
        body=_images_own, check=_check_images_own, needs_images=NO_IMAGES
    ),
    "a working directory that is a file": Scenario(
        body=_file_as_workdir,
        state="SYSTEM_ERROR",
        check=_check_file_as_workdir,
        needs_images=NO_IMAGES,
    ),
    "memory is limited and running out of it is told": Scenario(
        body=_memory, state="EXECUTOR_ERROR", check=_check_memory, needs_images=NO_LIMIT
    ),
}
