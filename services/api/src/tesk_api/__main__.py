"""Entry point of the process: ``python -m tesk_api``, or ``tesk-api``."""

from tesk_runtime import process_memory


def main() -> None:
    """Import the api, and run it; see ``tesk_api.main``."""
    with process_memory.importing():
        from tesk_api.main import main as run  # noqa: PLC0415 - not before this line

    run()


if __name__ == "__main__":
    main()
