"""The way into the process: ``python -m tesk_filer``, or ``tesk-filer``.

Most of a short transfer's CPU time goes into imports, and a tenth of that into
looking through all that is imported, again and again, for garbage.
"""

import gc
from typing import NoReturn


def main() -> NoReturn:
    """Run the filer; see ``tesk_filer.main``."""
    gc.disable()
    from tesk_filer.main import main as run  # noqa: PLC0415 - not before the line above

    gc.freeze()  # what was imported stays
    gc.enable()
    run()


if __name__ == "__main__":
    main()
