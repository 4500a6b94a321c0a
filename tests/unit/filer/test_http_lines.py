"""Lines with a deadline are the lines that Python reads without one."""

from io import BytesIO, RawIOBase

from hypothesis import given
from hypothesis import strategies as st

from tesk_filer.adapters.storage.http_lines import BoundedLines


class Pieces(RawIOBase):
    """What arrives from a network: some bytes at a time."""

    def __init__(self, content: bytes, size: int) -> None:
        self._rest = BytesIO(content)
        self._size = size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray, /) -> int:  # type: ignore[override]  # as is used
        return self._rest.readinto(memoryview(buffer)[: self._size])


@given(
    st.text(st.sampled_from("ab\r\n"), max_size=60).map(str.encode),
    st.integers(1, 20),
    st.lists(st.integers(-1, 12), max_size=20),
)
def test_lines_are_those_of_python(
    content: bytes, piece: int, limits: list[int]
) -> None:
    bounded = BoundedLines(Pieces(content, piece), stall=60)
    plain = BytesIO(content)

    for limit in [*limits, *([-1] * 61)]:
        assert bounded.readline(limit) == plain.readline(limit)
