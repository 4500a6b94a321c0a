"""Scenarios of inputs and outputs."""

from scenarios.scenario import Scenario, Storage, Task, codes, logs, shell, system_logs

ODD = "dir with spaces/ü:,# 100%[x].txt"
CONTENT = "0123456789abcdef" * 8192  # 128 KiB


def _copy(storage: Storage) -> Task:
    return {
        "inputs": [{"path": "/in/a.txt", "url": storage.put("a.txt", b"payload\n")}],
        "executors": [shell("cp /in/a.txt /out/b.txt")],
        "outputs": [{"path": "/out/b.txt", "url": storage.url("b.txt")}],
    }


def _check_copy(task: Task, storage: Storage) -> None:
    assert storage.get("b.txt") == b"payload\n"
    assert task["logs"][0]["outputs"] == [
        {"url": storage.url("b.txt"), "path": "/out/b.txt", "size_bytes": "8"}
    ]
    assert task["inputs"][0]["type"] == "FILE"


def _content(storage: Storage) -> Task:
    return {
        "inputs": [
            {"path": "/in/big", "content": CONTENT},
            {"path": "/in/text", "content": "ünï\r\n\u2028", "url": "s3://not/used"},
            {"path": "/in/empty", "content": ""},
        ],
        "executors": [shell("cat /in/big /in/text /in/empty > /out/all")],
        "outputs": [{"path": "/out/all", "url": storage.url("all")}],
    }


def _check_content(_task: Task, storage: Storage) -> None:
    assert storage.get("all") == CONTENT.encode() + "ünï\r\n\u2028".encode()


def _directories(storage: Storage) -> Task:
    storage.put("tree/a", b"a")
    storage.put("tree/sub/b", b"b")
    return {
        "inputs": [{"path": "/in/d/", "url": storage.url("tree"), "type": "DIRECTORY"}],
        "executors": [
            shell("cp -r /in/d/. /out/e/; echo c > /out/e/sub/c"),
        ],
        "outputs": [{"path": "/out/e", "url": storage.url("res"), "type": "DIRECTORY"}],
    }


def _check_directories(task: Task, storage: Storage) -> None:
    assert storage.get("res/a") == b"a"
    assert storage.get("res/sub/b") == b"b"
    assert storage.get("res/sub/c") == b"c\n"
    assert sorted(entry["path"] for entry in task["logs"][0]["outputs"]) == [
        "/out/e/a",
        "/out/e/sub/b",
        "/out/e/sub/c",
    ]


def _patterns(storage: Storage) -> Task:
    return {
        "executors": [
            shell(
                "cd /work; echo 1 > a.txt; echo 2 > b.txt; echo 3 > c.log; "
                "mkdir d.txt sub; echo 4 > d.txt/in; echo 5 > sub/e.txt; echo 6 > .h.txt",
                workdir="/work",
            )
        ],
        "outputs": [
            {"path": "/work/*.txt", "path_prefix": "/work", "url": storage.url("g")},
            {"path": "/work/?.lo[fg]", "path_prefix": "/work", "url": storage.url("q")},
            {"path": "/work/*.none", "path_prefix": "/work", "url": storage.url("n")},
        ],
    }


def _check_patterns(task: Task, storage: Storage) -> None:
    assert storage.names() == ["g/a.txt", "g/b.txt", "g/d.txt/in", "q/c.log"]
    assert "/work/*.none" in system_logs(task)


def _extended_patterns(storage: Storage) -> Task:
    return {
        "executors": [
            shell(
                "mkdir -p r/x/y; echo 1 > r/a.txt; echo 2 > r/x/b.txt; "
                "echo 3 > r/x/y/c.txt; echo 4 > r/x/d.csv; echo 5 > '{n,m}.log'; "
                "mkdir -p /opt/deep/x; echo 6 > /opt/deep/x/e.txt",
                workdir="/work",
            )
        ],
        "outputs": [
            {"path": path, "path_prefix": prefix, "url": storage.url(name)}
            for path, prefix, name in (
                ("/work/r/**/*.txt", "/work/r", "deep"),
                ("/work/r/x/*.{csv,txt}", "/work/r/x", "braces"),
                ("/work/{n,m}.*", "/work", "name"),
                ("/opt/**.txt", "/opt", "outside"),
            )
        ]
        + [{"path": "/work/r/x/{b,z}.txt", "url": storage.url("one/{b,z}.txt")}],
    }


def _check_extended_patterns(task: Task, storage: Storage) -> None:
    assert storage.names() == [
        *("braces/b.txt", "braces/d.csv", "deep/x/b.txt", "deep/x/y/c.txt"),
        *("name/{n,m}.log", "one/b.txt", "outside/deep/x/e.txt"),
    ], system_logs(task)
    assert system_logs(task).count("an extension of TESK") == 4


def _made_by_the_command(storage: Storage) -> Task:
    script = (
        "set -e; mkdir b g; echo b > b/c.txt; echo g > g/1.txt; echo o > /out/o; "
        "mkdir /data/more; cat /data/in > /data/more/x; echo err >&2"
    )
    return {
        "inputs": [{"path": "/data/in", "content": "in\n"}],
        "executors": [shell(script, workdir="/work", stderr="/work/log/err")],
        "outputs": [
            {"path": "/work/b/c.txt", "url": storage.url("c")},
            {"path": "/work/d", "url": storage.url("d"), "type": "DIRECTORY"},
            {"path": "/work/g/*.txt", "path_prefix": "/work", "url": storage.url("p")},
            {"path": "/work/log/err", "url": storage.url("err")},
            {"path": "/data/more", "url": storage.url("m"), "type": "DIRECTORY"},
            {"path": "/out/o", "url": storage.url("o")},
        ],
    }


def _check_made_by_the_command(task: Task, storage: Storage) -> None:
    assert codes(task) == [0], logs(task)
    assert storage.names() == ["c", "err", "m/x", "o", "p/g/1.txt"]
    assert storage.get("m/x") == b"in\n"
    assert "outputs[1]: /work/d does not exist" in system_logs(task)


def _final_slashes(storage: Storage) -> Task:
    return {
        "inputs": [{"path": "/in/x/", "content": "in"}],
        "executors": [shell("mkdir /out/d; cat /in/x > /out/d/a")],
        "outputs": [{"path": "/out/d/", "url": storage.url("d")}],
    }


def _check_final_slashes(task: Task, storage: Storage) -> None:
    assert storage.names() == ["d/a"]
    assert storage.get("d/a") == b"in"
    assert "/out/d is a directory although its type is FILE" in system_logs(task)


def _odd_names(storage: Storage) -> Task:
    return {
        "inputs": [{"path": f"/in/{ODD}", "url": storage.put(ODD, b"odd")}],
        "executors": [shell('cat "$1" > "$2"', f"/in/{ODD}", f"/out/{ODD}")],
        "outputs": [{"path": f"/out/{ODD}", "url": storage.url(f"copy/{ODD}")}],
    }


def _check_odd_names(_task: Task, storage: Storage) -> None:
    assert storage.get(f"copy/{ODD}") == b"odd"


def _missing_output(storage: Storage) -> Task:
    return {
        "executors": [shell("true")],
        "outputs": [{"path": "/out/none", "url": storage.url("none")}],
    }


def _check_missing_output(task: Task, storage: Storage) -> None:
    assert task["logs"][0]["outputs"] == []
    assert "/out/none" in system_logs(task)
    assert storage.names() == []


def _missing_input(storage: Storage) -> Task:
    return {
        "inputs": [{"path": "/in/none", "url": storage.url("none")}],
        "executors": [shell("true")],
    }


def _check_missing_input(task: Task, storage: Storage) -> None:
    assert logs(task) == []
    assert storage.url("none") in system_logs(task)


def _in_place(storage: Storage) -> Task:
    url = storage.put("script", b"echo once\n")
    return {
        "inputs": [{"path": "/exec/script", "url": url}],
        "executors": [shell("sh /exec/script; echo echo twice >> /exec/script")],
        "outputs": [
            {"path": "/exec/script", "url": url},
            {"path": "/exec/script", "url": storage.url("again")},
        ],
    }


def _check_in_place(task: Task, storage: Storage) -> None:
    assert storage.get("script") == b"echo once\necho twice\n"
    assert storage.get("again") == storage.get("script")
    assert len(task["logs"][0]["outputs"]) == 2


def _nested(storage: Storage) -> Task:
    return {
        "volumes": ["/vol", "/vol/in"],
        "inputs": [{"path": "/vol/in/a", "url": storage.put("a", b"A")}],
        "executors": [shell("mkdir /vol/in/dir; cat /vol/in/a > /vol/in/dir/out")],
        "outputs": [
            {"path": "/vol/in/dir", "url": storage.url("d/"), "type": "DIRECTORY"},
            {"path": "/vol/in/dir/out", "url": storage.url("f")},
        ],
    }


def _check_nested(_task: Task, storage: Storage) -> None:
    assert storage.get("d/out") == b"A"
    assert storage.get("f") == b"A"


def _system_directories(storage: Storage) -> Task:
    return {
        "inputs": [
            {"path": "/data.txt", "url": storage.put("a", b"root\n")},
            {"path": "/opt/x/conf", "content": "opt\n"},
        ],
        "executors": [
            shell("cat /data.txt /opt/x/conf; ls /bin /etc > /result.txt; echo end"),
        ],
        "outputs": [{"path": "/result.txt", "url": storage.url("result")}],
    }


def _check_system_directories(task: Task, storage: Storage) -> None:
    assert logs(task)[0]["stdout"] == "root\nopt\nend\n"
    listing = storage.get("result") or b""
    assert b"sh" in listing.split()
    assert b"passwd" in listing.split()


def _links(storage: Storage) -> Task:
    return {
        "volumes": ["/data"],
        "executors": [
            shell(
                "echo real > /data/real; ln -s /data/real /out/good; "
                "ln -s /etc/passwd /out/bad; ln -s ../../../../../etc/passwd /out/up; "
                "ln -s /proc/self/environ /out/env; mkfifo /out/pipe; true"
            )
        ],
        "outputs": [
            {"path": "/out", "url": storage.url("out"), "type": "DIRECTORY"},
            {"path": "/out/bad", "url": storage.url("bad")},
        ],
    }


def _check_links(_task: Task, storage: Storage) -> None:
    assert storage.names() == ["out/good"]
    assert storage.get("out/good") == b"real\n"


def _private(storage: Storage) -> Task:
    script = (
        "umask 077; mkdir -p /out/d /tree/sub /work/run-1; "
        'new=$(mktemp /out/tmp.XXXXXX); echo a > "$new"; mv "$new" /out/d/a; '
        "echo b > /tree/sub/b; echo c > /work/run-1/c.txt; echo d > /result.txt; "
        "chmod 700 /out/d /tree/sub /work/run-1; chmod 600 /log/out; exit 1"
    )
    return {
        "executors": [shell(f"echo log; {script}", stdout="/log/out")],
        "outputs": [
            {"path": "/out/d/a", "url": storage.url("a")},
            {"path": "/tree", "url": storage.url("tree"), "type": "DIRECTORY"},
            {"path": "/work/*/?.txt", "path_prefix": "/work", "url": storage.url("w")},
            {"path": "/result.txt", "url": storage.url("result")},
            {"path": "/log/out", "url": storage.url("log")},
        ],
    }


def _check_private(task: Task, storage: Storage) -> None:
    names = ["a", "log", "result", "tree/sub/b", "w/run-1/c.txt"]
    assert storage.names() == names, system_logs(task)
    texts = [storage.get(name) for name in names]
    assert texts == [b"a\n", b"log\n", b"d\n", b"b\n", b"c\n"]


def _one_failure_of_two(storage: Storage) -> Task:
    return {
        "inputs": [{"path": "/in/x", "content": "x"}],
        "executors": [
            shell("cat /in/x > /out/first"),
            shell("cat /in/x /out/first; exit 1"),
        ],
        "outputs": [{"path": "/out/first", "url": storage.url("first")}],
    }


def _check_one_failure_of_two(task: Task, storage: Storage) -> None:
    assert codes(task) == [0, 1]
    assert logs(task)[1]["stdout"] == "xx"
    assert storage.get("first") == b"x"


SCENARIOS: dict[str, Scenario] = {
    "a file in, a file out": Scenario(body=_copy, check=_check_copy),
    "inline content of 128 KiB, unicode, empty": Scenario(
        body=_content, check=_check_content
    ),
    "directories both ways": Scenario(body=_directories, check=_check_directories),
    "outputs by pattern": Scenario(body=_patterns, check=_check_patterns),
    "patterns across folders, and with alternatives": Scenario(
        body=_extended_patterns, check=_check_extended_patterns
    ),
    "folders of outputs are the command's to make": Scenario(
        body=_made_by_the_command, check=_check_made_by_the_command
    ),
    "a slash at the end of what is called a file": Scenario(
        body=_final_slashes, check=_check_final_slashes
    ),
    "names with spaces, colons and unicode": Scenario(
        body=_odd_names, check=_check_odd_names
    ),
    "an output that does not exist is a warning": Scenario(
        body=_missing_output, check=_check_missing_output
    ),
    "an input that does not exist is told by its url": Scenario(
        body=_missing_input, state="SYSTEM_ERROR", check=_check_missing_input
    ),
    "an input that is also an output, twice": Scenario(
        body=_in_place, check=_check_in_place
    ),
    "inputs and outputs inside volumes": Scenario(body=_nested, check=_check_nested),
    "image directories are not hidden": Scenario(
        body=_system_directories, check=_check_system_directories
    ),
    "links never lead out of the task": Scenario(body=_links, check=_check_links),
    "outputs that the command lets nobody else read": Scenario(
        body=_private, state="EXECUTOR_ERROR", check=_check_private
    ),
    "outputs of the executors before a failure": Scenario(
        body=_one_failure_of_two,
        state="EXECUTOR_ERROR",
        check=_check_one_failure_of_two,
    ),
}
