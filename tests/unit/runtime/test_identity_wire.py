"""Identities of files survive the wire, and malformed ones are refused by name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tesk.v1 import transfer_service_pb2 as pb
from tesk_model.errors import InvalidRequestError
from tesk_model.identities import FileIdentity
from tesk_runtime.rpc.identity_wire import identity_from_wire, identity_to_wire

TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
FILES = st.builds(
    FileIdentity,
    direction=st.sampled_from(["inputs", "outputs"]),
    url=TEXT,
    path=TEXT,
    size_bytes=st.integers(0, 2**60),
    identity=TEXT,
)


@given(FILES)
def test_an_identity_comes_back_as_it_went(file: FileIdentity) -> None:
    sent = identity_to_wire(file).SerializeToString()

    assert identity_from_wire(pb.FileIdentity.FromString(sent)) == file


@pytest.mark.parametrize(
    ("message", "want"),
    [
        (pb.FileIdentity(url="s3://b/x"), "files.direction"),
        (
            pb.FileIdentity(direction=pb.DIRECTION_INPUTS, size_bytes=-1),
            "files.size_bytes",
        ),
    ],
)
def test_a_malformed_identity_is_refused(message: pb.FileIdentity, want: str) -> None:
    with pytest.raises(InvalidRequestError, match=want):
        identity_from_wire(message)
