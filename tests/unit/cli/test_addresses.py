import pytest

from tesk_cli.domain.addresses import candidate_bases, server_root
from tesk_model.errors import InvalidRequestError

BASES = {
    "a bare host": (
        "http://h",
        ("http://h/ga4gh/tes/v1", "http://h/v1"),
    ),
    "a host with port and slash": (
        "http://h:80/",
        ("http://h:80/ga4gh/tes/v1", "http://h:80/v1"),
    ),
    "the short base": ("http://h/v1", ("http://h/v1",)),
    "the base of the specification": (
        "https://h/ga4gh/tes/v1/",
        ("https://h/ga4gh/tes/v1",),
    ),
    "the collection that Cromwell wants": ("http://h/v1/tasks", ("http://h/v1",)),
    "a server below a path": (
        "http://h/tesk",
        ("http://h/tesk/ga4gh/tes/v1", "http://h/tesk/v1"),
    ),
}


@pytest.mark.parametrize(("address", "want"), BASES.values(), ids=list(BASES))
def test_a_server_address_may_have_every_usual_form(
    address: str, want: tuple[str, ...]
) -> None:
    assert candidate_bases(address) == want


@pytest.mark.parametrize("address", ["", "localhost:8080", "ftp://h", "http://"])
def test_an_address_that_is_not_valid_is_refused(address: str) -> None:
    with pytest.raises(InvalidRequestError, match="not the address"):
        candidate_bases(address)


def test_a_password_in_the_address_is_refused_and_not_repeated() -> None:
    with pytest.raises(InvalidRequestError) as caught:
        candidate_bases("http://me:secret@h")

    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("base", ["http://h/ga4gh/tes/v1", "http://h/v1", "http://h"])
def test_the_root_is_above_the_base(base: str) -> None:
    assert server_root(base) == "http://h"
