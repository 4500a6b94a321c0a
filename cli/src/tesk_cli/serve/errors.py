"""Errors of a server that does not start or does not keep running."""


class ServeError(Exception):
    """The server cannot run; the message says why and what to do."""


class HomeInUseError(ServeError):
    """Another server runs on the same state folder.

    Attributes:
        url: Its url; empty if it is still starting.
    """

    def __init__(self, message: str, url: str) -> None:
        super().__init__(message)
        self.url = url
