"""Signs events, with secrets that are files.

Source:
    Standard Webhooks 1.0: symmetric signatures, ``v1`` (HMAC-SHA256), ``whsec_`` and
    base64 of 24 to 64 bytes; several signatures while a secret is replaced.
"""

import binascii
from base64 import b64decode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from standardwebhooks import Webhook

_PREFIX = "whsec_"
_MAX_FILE = 1024
_SHORTEST, _LONGEST = 24, 64


class SecretError(Exception):
    """A secret cannot be used; the message names it and what to do, and not its text."""


@dataclass(frozen=True, slots=True)
class SecretFiles:
    """Secrets by their names, a file each."""

    folder: Path

    def check(self, names: Iterable[str]) -> list[str]:
        """Return what is wrong with secrets; empty if all can be used."""
        problems = []
        for name in dict.fromkeys(names):
            try:
                self.read(name)
            except SecretError as error:
                problems.append(str(error))
        return problems

    def read(self, name: str) -> bytes:
        """Read the key of a secret; ``name`` is a plain name of a file.

        Raises:
            SecretError: It cannot be read, or is none.
        """
        try:
            with (self.folder / name).open("rb") as file:
                text = file.read(_MAX_FILE).decode("ascii").strip()
        except OSError as error:
            problem = f'the secret "{name}" cannot be read: {error.strerror}'
            raise SecretError(problem) from error
        except UnicodeDecodeError as error:
            raise _malformed(name) from error
        return _key(name, text)


def signed_headers(
    event_id: str, body: bytes, keys: Iterable[bytes], now: datetime
) -> Mapping[str, str]:
    """Return the headers that let a receiver verify an event.

    Args:
        event_id: Of the event; the same for each try.
        body: As it is sent.
        keys: Of the secrets, the present one first.
        now: When it is sent.
    """
    text = body.decode()
    signatures = [Webhook(key).sign(event_id, now, text) for key in keys]
    return {
        "webhook-id": event_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


def _key(name: str, text: str) -> bytes:
    try:
        key = b64decode(text.removeprefix(_PREFIX), validate=True)
    except binascii.Error as error:
        raise _malformed(name) from error
    if not _SHORTEST <= len(key) <= _LONGEST:
        raise _malformed(name)
    return key


def _malformed(name: str) -> SecretError:
    return SecretError(
        f'the secret "{name}" must be whsec_ and base64 of {_SHORTEST} to {_LONGEST}'
        " bytes, such as `openssl rand -base64 32` prints"
    )
