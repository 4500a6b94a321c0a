"""Secrets do not come through, however they are written and wherever a text is cut."""

import base64
import json
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tesk_filer.domain.credentials import (
    AzureAccount,
    BearerToken,
    Credential,
    GcsAccount,
    Login,
    PrivateKey,
    S3Account,
    S3Keys,
)
from tesk_filer.domain.redaction import Redactor, excerpt, secrets_of


def basic(secret: str) -> str:
    """Write a login as http does."""
    return "Basic " + base64.b64encode(f"ada:{secret}".encode()).decode()


FORMS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "in a url": lambda secret: quote(secret, safe=""),
    "in a path": quote,
    "in a form": quote_plus,
    "in JSON": json.dumps,
    "in Python": repr,
    "for basic authentication": basic,
}
SECRETS = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]),
    min_size=8,
    max_size=30,
)
TEXTS = st.text(st.sampled_from("ab: /"), max_size=20)


@given(SECRETS, TEXTS, TEXTS, st.sampled_from(list(FORMS)), st.integers(0, 99))
def test_no_piece_of_a_secret_is_shown(
    secret: str, before: str, after: str, form: str, cut: int
) -> None:
    written = FORMS[form](secret)
    plain = before + after
    pieces = {secret[i : i + 8] for i in range(len(secret) - 7)}
    assume(not any(piece in plain for piece in pieces))
    redactor = Redactor()
    redactor.add(secret)

    shown = redactor((before + written + after)[: cut or None])

    assert not any(piece in shown for piece in pieces)
    if form == "for basic authentication" and not cut:
        # The bytes beside it decide two characters at each end.
        token = written.removeprefix("Basic ")
        assert not any(token[i : i + 12] in shown for i in range(len(token) - 11))


BARE = [form for form in FORMS if FORMS[form]("x") == "x"]
SHORT_SECRETS = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=4)


@given(SECRETS | SHORT_SECRETS, TEXTS, st.sampled_from(BARE), st.integers(1, 99))
def test_the_beginning_of_a_secret_is_not_shown_where_a_text_was_cut(
    secret: str, before: str, form: str, kept: int
) -> None:
    written = FORMS[form](secret)
    assume(kept < len(written))
    redactor = Redactor()
    redactor.add(secret)

    said = excerpt(before + written, len(before) + kept)
    shown = redactor(f"the server refuses: {said} (403); check it")

    assert not shown.startswith(f"the server refuses: {before}{written[:kept]}")
    assert shown.endswith("… (403); check it")


EXCERPTS = {
    "short": ("abc", "abc"),
    "as long as it may be": ("abcdef", "abcdef"),
    "too long": ("abcdefg", "abcdef…"),
    "nothing": ("", ""),
}


@pytest.mark.parametrize(("text", "want"), EXCERPTS.values(), ids=EXCERPTS)
def test_an_excerpt_says_that_it_is_one(text: str, want: str) -> None:
    assert excerpt(text, 6) == want


@given(SECRETS, TEXTS)
def test_what_holds_no_secret_is_shown(secret: str, text: str) -> None:
    assume(not set(text) & set(secret))
    redactor = Redactor()
    redactor.add(secret)

    assert redactor(f"{text}\n{text}") == f"{text}\n{text}"


CASES = {
    "once": ("password 12345678 refused", "password *** refused"),
    "a part of it": ("23456789 and 12345678", "*** and ***"),
    "cut at the end": ("is 012345678", "is ***"),
    "twice, one after the other": ("0123456789012345678901234", "***01234"),
    "alone": ("0123456789", "***"),
    "too little of it": ("1234567", "1234567"),
    "a short one": ("user bob1: no", "user ***: no"),
    "a shorter one": ("user abc: no", "user abc: no"),
    "cut by us": ("said 01234…, and more", "said ***…, and more"),
    "a short one, cut by us": ("user bo…: no", "user ***…: no"),
    "nothing of it before a cut": ("said 1234…", "said 1234…"),
    "nothing": ("", ""),
}


@pytest.mark.parametrize(("text", "want"), CASES.values(), ids=CASES)
def test_texts_stay_readable_around_secrets(text: str, want: str) -> None:
    redactor = Redactor()
    for secret in ("0123456789", "0123456789", "bob1", "abc"):
        redactor.add(secret)

    assert redactor(text) == want


LINE = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7"
PEM = f"-----BEGIN PRIVATE KEY-----\n{LINE}\n{LINE[::-1]}\n-----END PRIVATE KEY-----\n"
KINDS: dict[str, tuple[Credential | None, set[str]]] = {
    "none": (None, set()),
    "a login": (Login(user="ada", password="p"), {"p"}),
    "a token": (BearerToken(token="t"), {"t"}),
    "a key with a passphrase": (
        PrivateKey(user="ada", key=PEM, passphrase="p"),
        {LINE, LINE[::-1], "p"},
    ),
    "keys of S3": (
        S3Account(keys=S3Keys(access_key="a", secret_key="s", session_token="t")),
        {"s", "t"},
    ),
    "nothing of S3": (S3Account(endpoint="https://h"), set()),
    "a key of Azure": (AzureAccount(key="k"), {"k"}),
    "the signature of a shared access signature": (
        AzureAccount(sas="sv=2023-11-03&sp=r&sig=abc%3D&se=2030"),
        {"abc%3D"},
    ),
    "the key of a service account": (
        GcsAccount(key=json.dumps({"type": "service_account", "private_key": LINE})),
        {LINE},
    ),
}


@pytest.mark.parametrize(("credential", "want"), KINDS.values(), ids=KINDS)
def test_every_credential_has_its_secrets(
    credential: Credential | None, want: set[str]
) -> None:
    assert set(secrets_of(credential)) == want
    for secret in want:
        assert secret not in repr(credential) or len(secret) == 1
