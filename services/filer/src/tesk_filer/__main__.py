"""Entry point of the process: ``python -m tesk_filer``, or ``tesk-filer``.

Imports take most of the CPU time of a short transfer. Garbage collection during them
is a tenth of that, and modules that are never used are another tenth.
"""

import gc
import sys
from types import ModuleType
from typing import NoReturn

# Asynchronous gRPC, and detection of encodings (of requests, by which traces and some
# storages' libraries send): neither is ever called here.
_UNUSED = {"grpc.aio": "", "charset_normalizer": "3.0.0"}
"""Modules that are replaced by empty ones, with the version that importers check."""


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
