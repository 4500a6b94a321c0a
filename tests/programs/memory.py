"""Measures the memory of a running api."""

from pathlib import Path

from fakes.api_process import ApiProcess


def processes(api: ApiProcess) -> list[Path]:
    """Return the processes of the api, below /proc."""
    pids = [api.process.pid]
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").glob("*/children"):
            pids += map(int, task.read_text().split())
    return [Path(f"/proc/{pid}") for pid in pids]


def forget_peak(api: ApiProcess) -> float:
    """Let the most memory be what there is now; return that."""
    for process in processes(api):
        (process / "clear_refs").write_text("5")
    return peak_mib(api)


def peak_mib(api: ApiProcess) -> float:
    """Return the most memory that the processes have had, in MiB."""
    texts = [(process / "status").read_text() for process in processes(api)]
    return sum(int(text.partition("VmHWM:")[2].split()[0]) for text in texts) / 1024
