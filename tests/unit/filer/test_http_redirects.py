"""What an error says of a redirect that cannot be used: no secret."""

import pytest

from tesk_filer.adapters.storage.http_redirects import redirect_of
from tesk_filer.ports import StorageError
from tesk_model.locations import parse_location

UNUSABLE = {
    "a host that is not ASCII": ("//d\xc3\xa4ta.example/x?Sig=SECRET", "https:…"),
    "a checksum that is none": ("/file?Sig=SECRET#md5=zz", "https:…"),
    "a host with a blank": ("//user:SECRET@bad host/x", "https:…"),
    "a port that is none": ("http://user:SECRET@h:99999/x", "http:…"),
    "what cannot be joined": ("//user:SECRET@[::1/x", "https:…"),
    "a whole url that cannot be joined": ("http://user:SECRET@[::1/x", "http:…"),
}


@pytest.mark.parametrize(("location", "shown"), UNUSABLE.values(), ids=UNUSABLE)
def test_an_unusable_redirect_is_told_without_secrets(
    location: str, shown: str
) -> None:
    requested = parse_location("https://data.example/a/b?query")

    with pytest.raises(StorageError) as caught:
        redirect_of("GET", requested, 302, location)

    assert str(caught.value) == (f'redirects to "{shown}", which is not a usable url')
