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
        # What servers send that is no HTTP, and that every client understands. A
        # request follows on the connection only if nothing is left over.
        self.parser.set_dangerous_leniencies(
            lenient_headers=True,
            lenient_optional_cr_before_lf=True,
            lenient_spaces_after_chunk_size=True,
        )
        self.received = 0
        self.reset()

    def reset(self) -> None:
        """Forget what was told of a message."""
        self.pairs: list[tuple[bytes, bytes]] = []
        self.body: list[bytes] = []
        self.status = 0
        self.reason = ""
        self.is_final = False  # and not one of the heads before it
        self.has_ended = False
        self.has_surplus = False
        self.keeps_alive = False

    def headers(self) -> dict[str, str]:
        """Return the headers; names are in lower case.

        Values of one that comes more than once are a list (RFC 9110, 5.3).
        """
        found: dict[str, str] = {}
        for raw_name, raw_value in self.pairs:
            name, value = (
                raw_name.decode("latin-1").lower(),
                raw_value.decode("latin-1"),
            )
            found[name] = f"{found[name]}, {value}" if name in found else value
        return found

    def values(self, name: bytes) -> list[str]:
        """Return every value of a header whose values are no list, as ``set-cookie``."""
        return [v.decode("latin-1") for n, v in self.pairs if n.lower() == name]

    def answer_early(self) -> None:
        """Take this for the answer to a request whose body was not sent whole.

        Raises:
            StorageError: It tells a success.
        """
        # A server may still wait for the rest, and would take the next request for it.
        self.keeps_alive = False
        if self.status // 100 == 2:  # noqa: PLR2004 - any success
            message = "the server answered before it was sent all bytes"
            raise StorageError(message, transient=True)

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
            message = f"the server does not answer in HTTP ({error})"
            raise StorageError(message) from error

    # Called by the parser.

    def on_message_begin(self) -> None:
        """Begin a response."""
        if self.is_final:
            self.has_surplus = True
        elif self.status:
            self.reset()

    def on_status(self, reason: bytes) -> None:
        """Take the reason phrase, or some of it."""
        if not self.has_surplus:
            self.reason += reason.decode("latin-1")

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
