"""All credentials of the operator: of files, which rotate, and of single settings."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tesk_filer.adapters.storage.credential_files import read_credential_files
from tesk_filer.adapters.storage.logins import read_logins
from tesk_filer.adapters.storage.setting_credentials import SettingCredentials
from tesk_filer.adapters.storage.watched_files import Reading, Watched
from tesk_filer.domain.credential_table import CredentialTable, TaskOwner
from tesk_filer.domain.credentials import Credential, S3Account, at_service_of
from tesk_filer.domain.redaction import secrets_of
from tesk_filer.ports import Credentials, StorageError
from tesk_model.locations import Location


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorCredentials:
    """What the operator gives; returned as it is now, by functions.

    Attributes:
        table: What the files of credentials say.
        settings: What single settings say; for all that the table has nothing for.
    """

    table: Callable[[], CredentialTable]
    settings: Callable[[], Credentials]

    def check(self) -> None:
        """Read everything now.

        Raises:
            ValueError: Something cannot be read, or is wrong.
        """
        self.settings()
        self.table()

    def of(
        self, owner: Callable[[], TaskOwner], *, told: Callable[[str], None]
    ) -> "TaskCredentials":
        """Return what a task may use.

        Args:
            owner: Returns the owner of the task.
            told: Hears of each secret before a storage does, also of those in urls.
        """
        return TaskCredentials(self, owner, told)


@dataclass(frozen=True, slots=True)
class TaskCredentials:
    """Satisfies ``ports.Credentials`` for one task."""

    _operator: OperatorCredentials
    _owner: Callable[[], TaskOwner]
    _told: Callable[[str], None]
    _known: set[Credential] = field(default_factory=set)

    def find(self, location: Location) -> Credential | None:
        """See ``Credentials``."""
        try:
            settings, table = self._operator.settings(), self._operator.table()
        except ValueError as error:
            message = f"the filer's credentials cannot be read: {error}"
            # The operator will see to it: outputs need not be computed again.
            raise StorageError(message, transient=True) from None
        fallback = settings.find(location)
        found = table.find(location, self._owner())
        chosen = fallback if found is None else at_service_of(fallback, found)
        if chosen is not None and chosen not in self._known:
            for secret in secrets_of(chosen):
                self._told(secret)
            self._known.add(chosen)
        if location.password:
            self._told(location.password)
        return chosen


def open_credentials(
    *,
    files: Sequence[str],
    netrc: str,
    s3: S3Account,
    monotonic: Callable[[], float],
    warn: Callable[[str], None],
) -> OperatorCredentials:
    """Return all credentials, which are read when needed and whenever they change.

    Args:
        files: See ``read_credential_files``.
        netrc: See ``read_logins``.
        s3: For buckets that the files do not name.
        monotonic: A clock, in seconds.
        warn: Called when something cannot be read.
    """

    def settings(reading: Reading) -> SettingCredentials:
        return SettingCredentials(logins=read_logins(netrc, reading), s3=s3)

    def table(reading: Reading) -> CredentialTable:
        return read_credential_files(files, reading)

    return OperatorCredentials(
        table=Watched(table, monotonic=monotonic, warn=warn),
        settings=Watched(settings, monotonic=monotonic, warn=warn),
    )
