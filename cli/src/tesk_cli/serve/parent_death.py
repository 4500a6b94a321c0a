"""Starts a service that ends when its supervisor ends, however that happens.

Run as a file: ``python -I -S parent_death.py SUPERVISOR_PID MODULE [ARGUMENT...]``. A
supervisor that is killed with SIGKILL cannot stop its services, so the kernel is asked to
send them SIGTERM then (parent-death signal). This survives the exec below, which
replaces this program. It is set here, after the fork and in a process of its
own, because code between fork and exec is not safe beside threads.

On systems without parent-death signals the service runs on; the lock that it
holds makes the next start wait for its end.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Request the signal, then run the module named in the arguments."""
    supervisor, module = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != supervisor:
        sys.exit("the supervisor has ended")
    # -P: never import from the current folder, where tasks may write.
    os.execv(sys.executable, [sys.executable, "-P", "-m", *module])  # noqa: S606 - our own interpreter


if __name__ == "__main__":
    main()
