"""Become a service that ends when its supervisor ends, however that happens.

Run as a file: ``python -I -S leash.py SUPERVISOR_PID MODULE``. A supervisor
that is killed with SIGKILL cannot stop its services, so the kernel is asked to
send them SIGTERM then. That wish survives the exec below, after which nothing
of this file is left. It is set here, after the fork and in a process of its
own, because code between fork and exec is not safe beside threads.

On systems without such a wish the service runs on; the lock that it holds
makes the next start wait for its end.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Ask for the signal, then run the module named on the command line."""
    supervisor, module = int(sys.argv[1]), sys.argv[2]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != supervisor:
        sys.exit("the supervisor is gone")
    # -P: the current folder, where tasks may write, is no place to import from.
    os.execv(sys.executable, [sys.executable, "-P", "-m", module])  # noqa: S606 - our own interpreter


if __name__ == "__main__":
    main()
