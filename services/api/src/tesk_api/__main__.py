"""``python -m tesk_api``."""

from tesk_api.main import main

if __name__ == "__main__":
    main()
