"""The offered schemes follow from settings."""

import pytest

from tesk_api.domain.offers import StorageSettings, make_offer
from tesk_model.schemes import SCHEMES, Use

REMOTE = ("s3://", "http://", "https://", "ftp://")
NAMES = {"s3", "http", "https", "ftp"}

OFFERED = {
    "what is named": (StorageSettings(written=REMOTE), NAMES, NAMES),
    "nothing is named": (StorageSettings(), {*SCHEMES}, {*SCHEMES}),
    "a beginning in capitals, and one of paths": (
        StorageSettings(written=("S3://bucket/", "/data/")),
        {"s3", "file"},
        {"s3", "file"},
    ),
    "folders of this machine, whatever is named": (
        StorageSettings(written=REMOTE, has_file_roots=True),
        {*NAMES, "file"},
        {*NAMES, "file"},
    ),
    "folders that are read": (
        StorageSettings(written=REMOTE, has_read_roots=True),
        {*NAMES, "file"},
        NAMES,
    ),
    "what is only read": (
        StorageSettings(written=("s3://",), read=("file:///data",)),
        {"s3", "file"},
        {"s3"},
    ),
}


@pytest.mark.parametrize(
    ("storages", "inputs", "outputs"), OFFERED.values(), ids=OFFERED
)
def test_an_offer_follows_from_settings(
    storages: StorageSettings, inputs: set[str], outputs: set[str]
) -> None:
    offer = make_offer(storages)

    assert (offer.inputs, offer.outputs) == (inputs, outputs)


@pytest.mark.parametrize("beginning", ["rsync://host", "data"])
def test_a_setting_with_an_unknown_scheme_is_an_error(beginning: str) -> None:
    with pytest.raises(ValueError, match="TESK_API_STORAGE"):
        make_offer(StorageSettings(written=("s3://", beginning)))
    with pytest.raises(ValueError, match="TESK_API_READ_STORAGE"):
        make_offer(StorageSettings(written=("s3://",), read=(beginning,)))


def test_a_scheme_that_is_not_offered_is_refused_with_those_that_are() -> None:
    offer = make_offer(StorageSettings(written=("s3://", "https://"), read=("/data",)))

    assert offer.problem("s3", Use.OUTPUT) is None
    assert offer.problem("file", Use.INPUT) is None
    assert offer.problem("file", Use.OUTPUT) == (
        'scheme "file" is not offered for outputs; offered are s3://bucket/key, '
        "https://host/path"
    )
    assert offer.problem("https", Use.DIRECTORY) == (
        'scheme "https" is not offered for inputs of type DIRECTORY; offered are '
        "file:///path or /path, s3://bucket/key"
    )
