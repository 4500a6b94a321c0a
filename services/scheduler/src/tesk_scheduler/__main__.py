"""``python -m tesk_scheduler``."""

from tesk_scheduler.main import main

if __name__ == "__main__":
    main()
