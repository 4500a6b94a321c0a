"""Lets every request in: for one machine, or behind a gateway."""

from tesk_api.domain.requests import Caller


class OpenAccess:
    """Implements ``Authenticator``; ignores whatever credentials are sent.

    py-tes without credentials sends ``Basic None:None``.
    """

    challenge = "Basic"

    def authenticate(self, authorization: str | None, address: str) -> Caller:  # noqa: ARG002 - ignored on purpose
        """Return an anonymous caller."""
        return Caller()
