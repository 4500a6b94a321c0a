"""Scenarios of reference data, which a runtime offers as ``ref://e2e/``."""

from scenarios.scenario import Scenario, Storage, Task, logs, shell, system_logs

NAME = "e2e"
FILES = {
    "genome.fa": b"ACGT\n",
    "bwa/index.amb": b"amb\n",
    "bwa/sub/index b.ann": b"ann\n",
}
"""What is in the reference."""
LINKS = {"bwa/inner.fa": "../genome.fa", "latest.fa": "bwa/../genome.fa", "out": "../x"}
"""Links in it: one dangles where its folder alone is mounted, one leads out."""


def _one(url: str, **fields: str) -> Task:
    return {"url": f"ref://{NAME}/{url}", **fields}


def _read(_storage: Storage) -> Task:
    return {
        "inputs": [
            _one("genome.fa", path="/data/genome.fa"),
            _one("latest.fa", path="/usr/local/share/latest.fa"),
            _one("bwa/", path="/ref", type="DIRECTORY"),
        ],
        "executors": [
            shell(
                "cat /data/genome.fa /usr/local/share/latest.fa index.amb "
                "'sub/index b.ann' -",
                workdir="/ref",
                stdin="/ref/index.amb",
            ),
            shell("cat /ref/inner.fa && echo found || echo dangles"),
        ],
    }


def _check_read(task: Task, _storage: Storage) -> None:
    first, second = (log["stdout"] for log in logs(task))
    assert first == "ACGT\nACGT\namb\nann\namb\n"
    assert second == "dangles\n"
    assert "inputs" not in task["logs"][0].get("metadata", {})


def _write(_storage: Storage) -> Task:
    return {
        "inputs": [
            _one("genome.fa", path="/data/genome.fa"),
            _one("", path="/ref", type="DIRECTORY"),
        ],
        "executors": [
            shell(
                "for f in /data/genome.fa /ref/new /ref/bwa/new; do "
                "(echo x > $f) 2>/dev/null && echo written $f; done; "
                "rm -rf /ref/bwa /data/genome.fa 2>/dev/null; "
                "cat /data/genome.fa /ref/bwa/index.amb"
            )
        ],
    }


def _check_write(task: Task, _storage: Storage) -> None:
    assert logs(task)[0]["stdout"] == "ACGT\namb\n"


def _beside_others(storage: Storage) -> Task:
    storage.put("tree/a", b"a\n")
    return {
        "inputs": [
            {"path": "/in", "url": storage.url("tree"), "type": "DIRECTORY"},
            _one("bwa/", path="/in/deep/bwa", type="DIRECTORY"),
            _one("genome.fa", path="/in/genome.fa"),
        ],
        "executors": [
            shell(
                "cat /in/a /in/genome.fa /in/deep/bwa/index.amb > /in/all.txt",
                stdout="/out/log",
            ),
            shell("cat /in/genome.fa /in/all.txt >> /out/all.txt"),
        ],
        "outputs": [
            {"path": "/out/all.txt", "url": storage.url("res/all.txt")},
            {"path": "/in/*.txt", "path_prefix": "/in", "url": storage.url("res2")},
        ],
    }


def _check_beside_others(task: Task, storage: Storage) -> None:
    assert storage.get("res/all.txt") == b"ACGT\na\nACGT\namb\n"
    assert storage.get("res2/all.txt") == b"a\nACGT\namb\n"
    assert len(task["logs"][0]["outputs"]) == 2


def _missing(_storage: Storage) -> Task:
    return {
        "inputs": [
            {"path": "/in/text", "content": "x"},
            _one("none.fa", path="/data/none.fa"),
        ],
        "executors": [shell("ls /data/none.fa")],
    }


def _check_missing(task: Task, _storage: Storage) -> None:
    said = f"inputs[1].url: ref://{NAME}/none.fa: the reference has no such file"
    assert said in system_logs(task)


def _leading_out(_storage: Storage) -> Task:
    return {
        "inputs": [_one("out", path="/data", type="DIRECTORY")],
        "executors": [shell("ls /data")],
    }


def _check_leading_out(task: Task, _storage: Storage) -> None:
    said = f"inputs[0].url: ref://{NAME}/out: is a link that leads out of the reference"
    assert said in system_logs(task)


SCENARIOS: dict[str, Scenario] = {
    "references are read where their inputs say": Scenario(
        body=_read, check=_check_read
    ),
    "nothing is written into a reference": Scenario(body=_write, check=_check_write),
    "references lie in directories that are copied": Scenario(
        body=_beside_others, check=_check_beside_others
    ),
    "a reference without the file ends the task": Scenario(
        body=_missing, state="SYSTEM_ERROR", check=_check_missing
    ),
    "no link leads out of a reference": Scenario(
        body=_leading_out, state="SYSTEM_ERROR", check=_check_leading_out
    ),
}
