"""Hides secrets in texts for people: a server may repeat what it was told.

Whatever a storage answers (a reason, a message, where to go instead) may end in an
error or a log. What was used in a transfer is known, so that it is found there in
every form in which protocols write it, and also where a text was cut.

A text of a server is cut by ``excerpt`` alone: of a secret at its end too little may be
left to be found, but for the mark behind it.
"""

import base64
import json
import re
from collections.abc import Iterator
from dataclasses import fields
from itertools import pairwise
from urllib.parse import quote, quote_plus

from tesk_filer.domain.credentials import Credential, S3Account, S3Keys

_HIDDEN = "***"
_WINDOW = 8
"""Length of the pieces of a secret that are found; a shorter one is found as it is."""
_LEAST = 4
"""Length of the shortest secret that is hidden: others are parts of any word."""
_CUT = "…"
_ENCODED = re.compile(r"[A-Za-z0-9+/_-]{40,}={0,2}")
_SIGNATURE = re.compile(r"(?:^|[?&])sig=([^&]+)")


class Redactor:
    """Satisfies ``Callable[[str], str]``; thread-safe."""

    def __init__(self) -> None:
        """Know no secrets yet."""
        self._seen: set[str] = set()
        self._pieces: set[str] = set()
        self._short: set[str] = set()
        self._starts: set[str] = set()

    def add(self, secret: str) -> None:
        """Hide ``secret`` from now on."""
        if secret in self._seen:
            return
        for form in _forms_of(secret):
            if len(form) >= _LEAST:
                begins = range(1, min(len(form), _WINDOW))
                self._starts = self._starts | {form[:size] for size in begins}
            if len(form) >= _WINDOW:
                last = len(form) - _WINDOW + 1
                self._pieces |= {form[i : i + _WINDOW] for i in range(last)}
            elif len(form) >= _LEAST:
                self._short = self._short | {form}
        self._seen.add(secret)

    def __call__(self, text: str) -> str:
        """Return ``text`` with ``***`` for each secret, or part of one."""
        for secret in self._short:
            text = text.replace(secret, _HIDDEN)
        return self._without_starts(self._without_pieces(text))

    def _without_starts(self, text: str) -> str:
        """Hide what may be the beginning of a secret, where a text was cut."""
        *cut, last = text.split(_CUT)
        return _CUT.join([*map(self._without_start, cut), last])

    def _without_start(self, text: str) -> str:
        for size in range(_WINDOW - 1, 0, -1):
            if text[-size:] in self._starts:
                return text[:-size] + _HIDDEN
        return text

    def _without_pieces(self, text: str) -> str:
        starts = [
            i
            for i in range(len(text) - _WINDOW + 1)
            if text[i : i + _WINDOW] in self._pieces
        ]
        if not starts:
            return text
        # Pieces that overlap or touch are one secret.
        gaps = [pair for pair in pairwise(starts) if pair[1] > pair[0] + _WINDOW]
        begins = [starts[0], *(after for _, after in gaps)]
        ends = [*(before + _WINDOW for before, _ in gaps), starts[-1] + _WINDOW]
        kept = zip([0, *ends], [*begins, len(text)], strict=True)
        return _HIDDEN.join(text[start:end] for start, end in kept)


def excerpt(text: str, limit: int) -> str:
    """Return the first ``limit`` characters of a text, and a mark if there are more."""
    return text if len(text) <= limit else text[:limit] + _CUT


def secrets_of(credential: Credential | S3Keys | None) -> Iterator[str]:
    """Yield what must be hidden of a credential: the fields that ``repr`` hides.

    Of what is longer than a line the parts that are encoded, and of a shared access
    signature the signature: the rest is not secret.
    """
    if credential is None:
        return
    if isinstance(credential, S3Account):
        yield from secrets_of(credential.keys)
    for each in fields(credential):
        value = "" if each.repr else getattr(credential, each.name)
        if "\n" in value or value.startswith("{"):
            yield from _ENCODED.findall(value)
        elif signatures := _SIGNATURE.findall(value):
            yield from signatures
        elif value:
            yield value


def _forms_of(secret: str) -> Iterator[str]:
    yield secret
    yield quote(secret, safe="")
    yield quote(secret)
    yield quote_plus(secret)
    yield json.dumps(secret)[1:-1]
    yield repr(secret)[1:-1]
    data = secret.encode(errors="replace")
    for before in range(3):
        # What the bytes around it decide is left out.
        encoded = base64.b64encode(bytes(before) + data).decode().rstrip("=")
        yield encoded[4 if before else 0 : len(encoded) - (len(encoded) % 4 > 0)]
