"""Entry point of the command line: ``tesk``, or ``python -m tesk_cli``."""

import sys

from tesk_runtime import process_memory


def main() -> int:
    """Import the command line, and run it; see ``tesk_cli.main``."""
    with process_memory.importing():
        from tesk_cli.main import main as run  # noqa: PLC0415 - not before this line

    return run()


if __name__ == "__main__":
    sys.exit(main())
