"""What is kept of a task fits one message, whatever is said of it."""

from hypothesis import given
from hypothesis import strategies as st

from tesk.v1 import task_pb2 as pb
from tesk_runtime.rpc.channel import MESSAGE_LIMIT
from tesk_scheduler.domain import bounds
from tesk_scheduler.domain.bounds import (
    Retained,
    fitting_entries,
    fitting_lines,
    fitting_outputs,
    size_of,
    stream_bytes,
    stream_tail,
    truncated,
)

TEXTS = st.text(max_size=40)


def test_all_that_may_be_kept_of_a_task_fits_a_message() -> None:
    logs = pb.TaskLog(
        logs=[
            pb.ExecutorLog(
                stdout="x" * stream_bytes(index),
                stderr="x" * stream_bytes(index),
                exit_code=1,
            )
            for index in range(bounds.EXECUTORS)
        ],
        system_logs=["x" * bounds.LINE_BYTES]
        * (bounds.LINES_BYTES // bounds.LINE_BYTES),
        metadata={"key": "x" * bounds.ENTRIES_BYTES},
    )
    for log in logs.logs:
        log.start_time.GetCurrentTime()
        log.end_time.GetCurrentTime()
    name = "x" * (bounds.OUTPUTS_BYTES // bounds.OUTPUT_FILES // 2)
    outputs = pb.TaskLog(
        outputs=[pb.OutputFileLog(url=name, path=name, size_bytes=2**50)] * 1000
    )

    largest = pb.InputSize(index=bounds.INPUT_SIZES, files=2**62, size_bytes=2**62)
    sizes = pb.Task(input_sizes=[largest] * bounds.INPUT_SIZES)

    size = (
        bounds.DOCUMENT_BYTES
        + sizes.ByteSize()
        + logs.ByteSize()
        + outputs.ByteSize() * bounds.OUTPUT_FILES // 1000
        + bounds.REASON_BYTES
    )

    assert size < 0.97 * MESSAGE_LIMIT


@given(TEXTS, st.integers(30, 100))
def test_a_text_is_whole_or_its_beginning_with_a_note(text: str, most: int) -> None:
    short = truncated(text * 9, most)

    assert size_of(short) <= most
    if short != text * 9:
        assert short.endswith("bytes in all)")
        assert (text * 9).startswith(short.partition(" … (")[0])


@given(st.lists(TEXTS), st.integers(0, 1100), st.integers(0, 2 * bounds.LINES_BYTES))
def test_lines_stay_within_their_bounds(
    lines: list[str], count: int, size: int
) -> None:
    kept = fitting_lines(lines, Retained(count, size))

    assert list(kept) == lines[: len(kept)]
    if kept:
        assert count + len(kept) <= bounds.LINES
        assert size + sum(map(size_of, kept)) <= bounds.LINES_BYTES


@given(
    st.dictionaries(TEXTS, st.text(max_size=9000), max_size=20),
    st.dictionaries(TEXTS, st.integers(0, 20_000), max_size=220),
)
def test_metadata_stays_within_its_bounds(
    entries: dict[str, str], there: dict[str, int]
) -> None:
    kept, left = fitting_entries(entries, there)

    assert len(kept) + left == len(entries)
    sizes = there | {key: size_of(key) + size_of(text) for key, text in kept.items()}
    if kept:
        assert sum(sizes.values()) <= bounds.ENTRIES_BYTES
    if kept.keys() - there.keys():
        assert len(sizes) <= bounds.ENTRIES


def test_a_hundred_thousand_files_with_usual_names_are_all_listed() -> None:
    sizes = [180] * 100_000

    assert fitting_outputs(sizes, Retained(0, 0)) == len(sizes)


@given(st.lists(st.integers(0, 9000), max_size=50), st.integers(0, 300_000))
def test_outputs_stay_within_their_bounds(sizes: list[int], there: int) -> None:
    used = bounds.OUTPUTS_BYTES - 40_000

    room = fitting_outputs(sizes, Retained(there, used))

    if room:
        assert there + room <= bounds.OUTPUT_FILES
        assert used + sum(sizes[:room]) <= bounds.OUTPUTS_BYTES


@given(st.text(max_size=3000), st.integers(0, 2000))
def test_a_stream_keeps_its_end(text: str, index: int) -> None:
    tail = stream_tail(text, index)

    assert text.endswith(tail)
    assert size_of(tail) <= stream_bytes(index)
