"""Scenarios of hosts' names, for a cluster: what else runs commands is no pod."""

from scenarios.scenario import Scenario, Storage, Task, shell

_NOWHERE = "192.0.2.53"


def _names_changed(storage: Storage) -> Task:
    script = (
        f"echo nameserver {_NOWHERE} >/etc/resolv.conf; : >/etc/hosts; "
        "cat /in/a >/out/a"
    )
    return {
        "inputs": [{"path": "/in/a", "url": storage.put("a", b"arrived")}],
        "executors": [shell(script)],
        "outputs": [{"path": "/out/a", "url": storage.url("b")}],
    }


def _check_names_changed(_task: Task, storage: Storage) -> None:
    assert storage.get("b") == b"arrived"


SCENARIOS = {
    "a command that changes the names of its pod leads no transfer elsewhere": Scenario(
        body=_names_changed, check=_check_names_changed
    )
}
