"""Port of checks: looks at the places of one task, apart from those of others."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Protocol

from tesk_filer.domain.checks import Check, LocationsToCheck


class LocationChecker(Protocol):
    """Looks at places with the credentials of one owner."""

    def check(
        self, wanted: LocationsToCheck, timeout: timedelta
    ) -> Mapping[str, Check]:
        """Return what was found within ``timeout``, by field.

        What did not answer by then is left out, and not waited for any longer.
        """
