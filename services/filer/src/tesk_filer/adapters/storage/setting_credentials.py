"""The credentials that single settings give: ``filer.netrc`` and ``filer.s3_…``."""

from dataclasses import dataclass, field
from types import MappingProxyType

from tesk_filer.adapters.storage.logins import Logins
from tesk_filer.domain.credentials import Credential, S3Account
from tesk_model.locations import Location
from tesk_model.schemes import SCHEMES

_NO_LOGINS: Logins = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingCredentials:
    """Satisfies ``ports.Credentials``.

    Attributes:
        logins: For the schemes whose urls name a host.
        s3: For every bucket.
    """

    logins: Logins = field(default_factory=lambda: _NO_LOGINS)
    s3: S3Account | None = None

    def find(self, location: Location) -> Credential | None:
        """See ``Credentials``."""
        if location.scheme == "s3":
            return self.s3
        # A bucket or container may have the name of a host.
        if SCHEMES[location.scheme].port is None:
            return None
        return self.logins.get(location.host.lower())
