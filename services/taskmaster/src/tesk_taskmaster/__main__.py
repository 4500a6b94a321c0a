"""``python -m tesk_taskmaster``."""

from tesk_taskmaster.main import main

if __name__ == "__main__":
    main()
