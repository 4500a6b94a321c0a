"""Names that files have until they are complete."""

from hypothesis import given
from hypothesis import strategies as st

from tesk_filer.adapters.temporary_names import temporary_name, transfer_tag

NAMES = st.text(min_size=1).filter(lambda name: "/" not in name)
TAG = transfer_tag("tesk-t1-a1", "secret")


@given(st.lists(NAMES, unique=True))
def test_files_of_one_directory_have_different_temporary_names(
    names: list[str],
) -> None:
    names += [temporary_name(name, TAG) for name in names]

    assert len({temporary_name(name, TAG) for name in names}) == len(set(names))


def test_a_long_name_has_another_one_than_what_stands_for_it() -> None:
    long = temporary_name("n" * 255, TAG)
    stands_for_it = long.removeprefix(f".{TAG}.").removesuffix(".part")

    assert temporary_name(stands_for_it, TAG) != long


def test_no_temporary_name_is_too_long() -> None:
    longest = transfer_tag(f"tesk-{'t' * 40}-a1000", "secret") + "-1000"

    # eCryptfs has names of 143 bytes, others of 255.
    assert len(temporary_name("n" * 255, longest)) <= 143


def test_a_filer_finds_what_another_one_of_the_attempt_left() -> None:
    again = transfer_tag("tesk-t1-a1", "secret")

    assert temporary_name("/d/x", again) == temporary_name("/d/x", TAG)


def test_nobody_knows_a_temporary_name_without_the_secret() -> None:
    assert transfer_tag("tesk-t1-a1", "guessed") != TAG
    assert transfer_tag("tesk-t1-a2", "secret") != TAG


def test_a_name_that_is_no_utf8_has_one() -> None:
    assert temporary_name("caf\udce9", TAG) != temporary_name("caf?", TAG)
