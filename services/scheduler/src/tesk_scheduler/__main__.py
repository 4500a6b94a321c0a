"""Entry point of the process: ``python -m tesk_scheduler``, or ``tesk-scheduler``."""

from tesk_runtime import process_memory


def main() -> None:
    """Import the scheduler, and run it; see ``tesk_scheduler.main``."""
    with process_memory.importing():
        from tesk_scheduler.main import main as run  # noqa: PLC0415 - not before this line

    run()


if __name__ == "__main__":
    main()
