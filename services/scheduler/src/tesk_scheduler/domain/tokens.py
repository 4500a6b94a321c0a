"""Tokens derived from the internal token, so that every replica agrees.

Nothing is stored and a restart changes nothing; a new internal token makes
all of them void.
"""

import base64
import hashlib
import hmac
import json
import struct

from tesk_model.errors import InvalidRequestError, Violation
from tesk_model.names import Attempt
from tesk_scheduler.domain.records import TaskQuery

_MAC_BYTES = 16
_CURSOR = struct.Struct(">Q")


def transfer_token(secret: str, attempt: Attempt) -> str:
    """Return what the filers of ``attempt`` show to the scheduler."""
    text = f"transfer:{attempt.task_id}:{attempt.number}"
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def is_transfer_token(secret: str, attempt: Attempt, token: str) -> bool:
    """Tell whether ``token`` is of ``attempt``, in constant time."""
    return hmac.compare_digest(transfer_token(secret, attempt).encode(), token.encode())


def page_token(secret: str, query: TaskQuery, last: int) -> str:
    """Return the token of the page after task ``last`` of ``query``."""
    cursor = _CURSOR.pack(last)
    return base64.urlsafe_b64encode(cursor + _page_mac(secret, query, cursor)).decode()


def parse_page_token(secret: str, query: TaskQuery, token: str) -> int:
    """Return the task after which the page begins.

    Raises:
        InvalidRequestError: The token was not issued for the filters and the
            owner of ``query``.
    """
    try:
        raw = base64.b64decode(token, altchars=b"-_", validate=True)
    except ValueError:
        raw = b""
    cursor, mac = raw[: _CURSOR.size], raw[_CURSOR.size :]
    if not hmac.compare_digest(mac, _page_mac(secret, query, cursor)):
        problem = "was not issued for a list with these filters"
        raise InvalidRequestError([Violation("page_token", problem)])
    (last,) = _CURSOR.unpack(cursor)
    return int(last)


def _page_mac(secret: str, query: TaskQuery, cursor: bytes) -> bytes:
    key = hmac.new(secret.encode(), b"page-token", hashlib.sha256).digest()
    filters = [
        query.owner,
        query.name_prefix,
        query.state,
        sorted([key, value] for key, value in query.tags),
    ]
    text = json.dumps(filters).encode()
    return hmac.new(key, cursor + text, hashlib.sha256).digest()[:_MAC_BYTES]
