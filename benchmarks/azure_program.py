"""The tests' server of Azure's requests, in a process of its own.

It prints its endpoint, and for each line of its input removes the blobs whose container
and name begin with it, and prints how many there were. It ends with its input.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from servers.azure import azure_server


def main() -> None:
    """Serve until standard input ends."""
    with azure_server() as files:
        print(files.endpoint, flush=True)
        for line in sys.stdin:
            found = [name for name in files.blobs if name.startswith(line.rstrip("\n"))]
            for name in found:
                del files.blobs[name]
            files.requests.clear()
            print(len(found), flush=True)


if __name__ == "__main__":
    main()
