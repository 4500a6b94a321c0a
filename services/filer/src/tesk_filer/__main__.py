"""The way into the process: ``python -m tesk_filer``, or ``tesk-filer``.

Most of a short transfer's CPU time goes into imports, and a tenth of that into
looking through all that is imported, again and again, for garbage. Another tenth
goes into what libraries import for callers of another kind.
"""

import gc
import sys
from types import ModuleType
from typing import NoReturn

# Asynchronous gRPC, and guesses of a text's encoding: neither is ever called here.
_UNUSED = {"grpc.aio": "", "charset_normalizer": "3.0.0"}
"""Modules that are not loaded, with the version that others ask them for."""


def main() -> NoReturn:
    """Run the filer; see ``tesk_filer.main``."""
    gc.disable()
    for name, version in _UNUSED.items():
        unused = ModuleType(name)
        unused.__version__ = version  # type: ignore[attr-defined]  # as modules have it
        sys.modules[name] = unused
    from tesk_filer.main import main as run  # noqa: PLC0415 - not before the line above

    gc.freeze()  # what was imported stays
    gc.enable()
    run()


if __name__ == "__main__":
    main()
