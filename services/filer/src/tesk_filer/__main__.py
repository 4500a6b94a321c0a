"""Entry point of the process: ``python -m tesk_filer``, or ``tesk-filer``.

Without arguments it is the filer of one transfer; ``serve`` waits for calls of the api,
and starts ``check`` for each.

Imports take most of the CPU time of a short transfer. Modules that are never used are
a tenth of that.
"""

import sys
from types import ModuleType
from typing import NoReturn

from tesk_runtime import process_memory

# Asynchronous gRPC, and detection of encodings (of requests, by which traces and some
# storages' libraries send): neither is ever called here.
_UNUSED = {"grpc.aio": "", "charset_normalizer": "3.0.0"}
"""Modules that are replaced by empty ones, with the version that importers check."""


def main() -> NoReturn:
    """Run what the arguments name; see ``tesk_filer.main``."""
    command = sys.argv[1] if len(sys.argv) > 1 else ""
    if command == "serve":
        from tesk_filer.storage_server import main as serve  # noqa: PLC0415 - needs what follows less

        serve()
        sys.exit()
    for name, version in _UNUSED.items():
        unused = ModuleType(name)
        unused.__version__ = version  # type: ignore[attr-defined]  # as modules have it
        sys.modules[name] = unused
    # Not before the lines above.
    with process_memory.importing():
        if command == "check":
            from tesk_filer.storage_check import main as run  # noqa: PLC0415
        else:
            from tesk_filer.main import main as run  # noqa: PLC0415

    run()


if __name__ == "__main__":
    main()
