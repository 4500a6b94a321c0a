"""Derives tokens from the internal token, so that every replica makes the same.

Nothing is stored and a restart changes nothing; a new internal token invalidates
all of them.
"""

import base64
import hashlib
import hmac
import json
import struct

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from tesk_model.errors import InvalidRequestError, Violation
from tesk_model.names import Attempt
from tesk_scheduler.domain.records import Micros, TaskQuery
from tesk_scheduler.domain.state_changes import Position

_CURSOR = struct.Struct(">Q")
_POSITION = struct.Struct(">QQ")
_OF_CHANGES = b"state changes"


def transfer_token(secret: str, attempt: Attempt) -> str:
    """Return the token by which filers of ``attempt`` authenticate."""
    text = f"transfer:{attempt.task_id}:{attempt.number}"
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def is_transfer_token(secret: str, attempt: Attempt, token: str) -> bool:
    """Tell whether ``token`` is of ``attempt``, in constant time."""
    return hmac.compare_digest(transfer_token(secret, attempt).encode(), token.encode())


def page_token(secret: str, query: TaskQuery, last: int) -> str:
    """Return the token of the page after task ``last`` of ``query``.

    Encrypted, because the number of a task reveals how many others there were.
    """
    cursor = _CURSOR.pack(last)
    sealed = _cipher(secret).encrypt(cursor, [_filters(query)])
    return base64.urlsafe_b64encode(sealed).decode()


def parse_page_token(secret: str, query: TaskQuery, token: str) -> int:
    """Return the task after which the page begins.

    Raises:
        InvalidRequestError: The token was not issued for the filters and the
            owner of ``query``.
    """
    try:
        sealed = base64.b64decode(token, altchars=b"-_", validate=True)
        cursor = _cipher(secret).decrypt(sealed, [_filters(query)])
        (last,) = _CURSOR.unpack(cursor)
    except (ValueError, InvalidTag, struct.error) as error:
        problem = "was not issued for a list with these filters"
        raise InvalidRequestError([Violation("page_token", problem)]) from error
    return int(last)


class ChangeCursors:
    """Converts positions of the feed of state changes to the cursors of clients.

    Encrypted, because the number of a change reveals how many others there were.
    """

    def __init__(self, secret: str) -> None:
        """Derive the key of the internal token."""
        self._cipher = _cipher(secret)

    def cursor(self, position: Position) -> str:
        """Return the cursor of a position."""
        sealed = self._cipher.encrypt(_POSITION.pack(*position), [_OF_CHANGES])
        return base64.urlsafe_b64encode(sealed).decode()

    def parse(self, cursor: str) -> Position | None:
        """Return the position of a cursor; None if it is none of this server."""
        try:
            sealed = base64.b64decode(cursor, altchars=b"-_", validate=True)
            plain = self._cipher.decrypt(sealed, [_OF_CHANGES])
            number, time = _POSITION.unpack(plain)
        except (ValueError, InvalidTag, struct.error):
            return None
        return Position(number, Micros(time))


def _cipher(secret: str) -> AESSIV:
    # Without a nonce the same page has the same token, and no other does.
    return AESSIV(hmac.digest(secret.encode(), b"page-token", hashlib.sha512))


def _filters(query: TaskQuery) -> bytes:
    filters = [
        query.owner,
        query.name_prefix,
        query.state,
        sorted([key, value] for key, value in query.tags),
    ]
    return json.dumps(filters).encode()
