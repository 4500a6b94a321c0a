"""Everybody may do everything: one machine, or a gateway in front."""

from tesk_api.domain.requests import Caller


class OpenAccess:
    """Implements ``Authenticator``; ignores whatever credentials are sent.

    py-tes without credentials sends ``Basic None:None``.
    """

    challenge = "Basic"

    def authenticate(self, authorization: str | None, address: str) -> Caller:  # noqa: ARG002 - ignored on purpose
        """Return the caller without a name."""
        return Caller()
