"""Entry point of the process: ``python -m tesk_taskmaster``, or ``tesk-taskmaster``."""

from tesk_runtime import process_memory


def main() -> None:
    """Import the taskmaster, and run it; see ``tesk_taskmaster.main``."""
    with process_memory.importing():
        from tesk_taskmaster.main import main as run  # noqa: PLC0415 - not before this line

    run()


if __name__ == "__main__":
    main()
