"""Files that have arrived in the volume, as they are recorded."""

from typing import NamedTuple

from tesk_filer.domain.identities import identity_of
from tesk_filer.ports import Stat
from tesk_filer.ports.manifest import Moved
from tesk_filer.ports.volume import Saved
from tesk_model.locations import Location


class Arrived(NamedTuple):
    """A file that arrived.

    Attributes:
        path: Container path.
        source: Where it came from.
        said: What the storage said of what arrived.
        saved: What is in the volume.
    """

    path: str
    source: Location
    said: Stat
    saved: Saved

    def moved(self) -> Moved:
        """Return what a manifest keeps of it."""
        said, saved = self.said, self.saved
        return Moved(
            size=saved.size,
            stamp=saved.stamp,
            etag=said.etag,
            identity=identity_of(self.source, etag=said.etag, checksums=said.checksums),
            digests=saved.digests,
        )
