"""Receives webhooks of TESK: verifies each, and prints it as a line of JSON.

Usage: ``python receiver.py SECRET_FILE [PORT]``. It needs nothing but Python, and
listens on this machine alone: put it behind a server that speaks https.
"""

import base64
import hashlib
import hmac
import json
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

MOST_BYTES = 64 * 1024
MOST_SECONDS = 300  # that an event may be old, so that nobody sends it again later
MOST_SEEN = 10_000


def is_signed(headers: Mapping[str, str], body: bytes, secret: str) -> bool:
    """Tell whether an event was signed with the secret, not long ago.

    Source: Standard Webhooks 1.0, symmetric signatures.
    """
    event_id = headers.get("webhook-id", "")
    sent = headers.get("webhook-timestamp", "")
    if not sent.isdecimal() or abs(time.time() - int(sent)) > MOST_SECONDS:
        return False
    key = base64.b64decode(secret.strip().removeprefix("whsec_"))
    signed = f"{event_id}.{sent}.".encode() + body
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest())
    # One of them is enough: while a secret is replaced, there are two.
    given = headers.get("webhook-signature", "").split()
    return any(hmac.compare_digest(each.encode(), b"v1," + expected) for each in given)


class Receiver(BaseHTTPRequestHandler):
    """Answers 204 to events that are signed, 401 to others."""

    secret = ""
    # An event can come twice, even while it is received; its id stays the same.
    seen: "OrderedDict[str, None]" = OrderedDict()
    one_at_a_time = threading.Lock()
    timeout = 10

    def do_POST(self) -> None:
        """Receive one event."""
        length = self.headers.get("content-length", "")
        if not length.isdecimal() or int(length) > MOST_BYTES:
            self._answer(413)
            return
        body = self.rfile.read(int(length))
        headers = {name.lower(): text for name, text in self.headers.items()}
        if not is_signed(headers, body, self.secret):
            self._answer(401)
            return
        event = json.loads(body)
        with self.one_at_a_time:
            if event["id"] not in self.seen:
                print(json.dumps(event), flush=True)  # do what is to be done here
                self.seen[event["id"]] = None
                if len(self.seen) > MOST_SEEN:
                    self.seen.popitem(last=False)
        self._answer(204)

    def _answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Print events alone."""


def main() -> None:
    """Serve until Ctrl-C."""
    Receiver.secret = Path(sys.argv[1]).read_text(encoding="ascii")
    port = int(sys.argv[2]) if len(sys.argv) > 2 else 8000
    with ThreadingHTTPServer(("127.0.0.1", port), Receiver) as server:
        print(f"http://127.0.0.1:{server.server_port}", file=sys.stderr, flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
