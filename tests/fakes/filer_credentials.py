"""Credentials for every location."""

from dataclasses import dataclass

from tesk_filer.domain.credentials import Credential
from tesk_model.locations import Location


@dataclass(frozen=True, slots=True)
class FixedCredentials:
    """Satisfies ``ports.Credentials``."""

    credential: Credential | None

    def find(self, _location: Location) -> Credential | None:
        return self.credential
