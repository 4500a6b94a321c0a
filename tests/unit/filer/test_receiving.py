"""Files are received whole, whatever size was announced, and how ever they come."""

import os
import tempfile

from hypothesis import given, settings
from hypothesis import strategies as st

from tesk_filer.adapters.digests import Digests
from tesk_filer.adapters.receiving import receive
from tesk_filer.ports import NO_CHECKSUMS


class Coming:
    """Brings some bytes at a time; satisfies ``ports.Reader``."""

    etag = ""
    checksums = NO_CHECKSUMS
    executable = False
    descriptor = None
    has_parts = False

    def __init__(self, content: bytes, size: int | None, most: int) -> None:
        self.size = size
        self.calls = 0
        self._content = content
        self._most = most

    def read(self, size: int) -> bytes:
        self.calls += 1
        size = min(size, self._most)
        data, self._content = self._content[:size], self._content[size:]
        return data


@settings(max_examples=100, deadline=None)
@given(
    content=st.binary(max_size=3000),
    announced=st.one_of(st.none(), st.integers(0, 4000)),
    most=st.integers(1, 4000),
)
def test_all_that_comes_is_received(
    content: bytes, announced: int | None, most: int
) -> None:
    reader = Coming(content, announced, most)
    told: list[int] = []
    with tempfile.TemporaryFile() as file:
        arrived = receive(reader, file.fileno(), told.append, Digests(NO_CHECKSUMS))

        assert os.pread(file.fileno(), 5000, 0) == content
    assert arrived == sum(told) == len(content)
    # What nobody announced is not read byte by byte.
    assert reader.calls <= len(content) / most + 3
