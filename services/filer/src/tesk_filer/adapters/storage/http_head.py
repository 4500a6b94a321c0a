"""The head of an HTTP response, and what of its body came with it, by llhttp.

Source:
    RFC 9112.
"""

from http import HTTPStatus

import httptools

from tesk_filer.ports import StorageError


class ResponseHead:
    """What the parser tells of the response that comes in."""

    def __init__(self) -> None:
        self.parser = httptools.HttpResponseParser(self)
        self.received = 0
        self.reset()

    def reset(self) -> None:
        """Forget what was told of a message."""
        self.pairs: list[tuple[bytes, bytes]] = []
        self.body: list[bytes] = []
        self.status = 0
        self.is_final = False  # and not one of the heads before it
        self.has_ended = False
        self.has_surplus = False
        self.keeps_alive = False

    def headers(self) -> dict[str, str]:
        """Return the headers; names are in lower case."""
        pairs = [(n.decode("latin-1"), v.decode("latin-1")) for n, v in self.pairs]
        return {name.lower(): value for name, value in pairs}

    def feed(self, data: memoryview) -> None:
        """Let the parser have what came.

        Raises:
            StorageError: It is not HTTP, or changes to another protocol.
        """
        try:
            self.parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            if self.has_ended and self.is_final:
                self.has_surplus = True
                return
            raise StorageError("the server does not answer in HTTP") from error

    # Called by the parser.

    def on_message_begin(self) -> None:
        """Begin a response."""
        if self.is_final:
            self.has_surplus = True
        elif self.status:
            self.reset()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header."""
        if not self.has_surplus and not self.is_final:  # else a trailer
            self.pairs.append((name, value))

    def on_headers_complete(self) -> None:
        """End the head."""
        if self.has_surplus:
            return
        self.status = self.parser.get_status_code()
        self.is_final = self.status >= HTTPStatus.OK
        # The parser forgets this at the end of the message.
        self.keeps_alive = self.parser.should_keep_alive()

    def on_body(self, data: bytes) -> None:
        """Take some of the body."""
        if not self.has_surplus:
            self.body.append(data)

    def on_message_complete(self) -> None:
        """End the response."""
        self.has_ended = True
