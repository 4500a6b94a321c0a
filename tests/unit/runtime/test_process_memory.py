"""What a program does about its memory at its start."""

import gc
from contextlib import suppress

from tesk_runtime import process_memory


def test_garbage_is_collected_again_whatever_becomes_of_the_imports() -> None:
    with suppress(ImportError), process_memory.importing():
        assert not gc.isenabled()
        raise ImportError
    gc.unfreeze()  # what the tests have made goes with them

    assert gc.isenabled()
