"""Checks whether all that a candidate read and wrote is still what it was.

Storages are only asked, never read; with the rights of the task that is to take the
results. The first difference ends the check. What cannot be found out is a difference,
too.
"""

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from tesk_filer.domain.comparisons import find_difference
from tesk_filer.domain.downloads import Download, plan_download, title
from tesk_filer.domain.expansion import Expansion
from tesk_filer.domain.identities import DIRECTORY, identity_of
from tesk_filer.ports import HaltedError, Stat, StorageError, Storages
from tesk_filer.ports.candidates import Candidate, CandidateRecord
from tesk_filer.usecases.listing import Listing
from tesk_filer.usecases.load_limits import HostLimits
from tesk_filer.usecases.transfer import ExitCode
from tesk_filer.usecases.worker_pool import WorkerPool
from tesk_model.errors import TeskError
from tesk_model.identities import FileIdentity
from tesk_model.locations import Location, describe_url, parse_location, printable
from tesk_model.paths import normalize
from tesk_model.references import is_reference
from tesk_model.task import Input

_MAX_LENGTH = 1000  # of a difference; the contract counts bytes
_NO_CANDIDATE = "its candidate is gone"
_GONE = "is not there any more"


class _Inputs:
    """What the inputs of a candidate were, and which of them were met; thread-safe."""

    def __init__(self, files: Iterable[FileIdentity]) -> None:
        self._files = {(each.url, each.path): each for each in files}
        self._met: set[tuple[str, str]] = set()
        self._lock = threading.Lock()

    def take(self, path: str, location: Location) -> FileIdentity | None:
        """Return what a file was; None if there was none."""
        key = printable(location.url), printable(path)
        with self._lock:
            self._met.add(key)
        return self._files.get(key)

    def missing(self) -> FileIdentity | None:
        """Return one that was not met; None if all were."""
        left = (file for key, file in self._files.items() if key not in self._met)
        return next(left, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateCheck:
    """One check; its result goes to the scheduler.

    Attributes:
        workers: That stop at the first failure: a difference is one.
        limit: For the whole check.
        monotonic: Returns seconds that never go back.
        redact: Hides secrets in texts for people.
        warn: Logs a warning.
    """

    record: CandidateRecord
    storages: Storages
    workers: WorkerPool
    listing: Listing
    limits: HostLimits
    expansion: Expansion
    limit: timedelta
    monotonic: Callable[[], float]
    redact: Callable[[str], str]
    warn: Callable[[str], None]

    def run(self) -> ExitCode:
        """Check, and return the exit code: OK if all is the same, FAILED if not.

        STOPPED and TEMPORARY_FAILURE: it is not known, and nothing was recorded.
        """
        try:
            candidate = self.record.candidate()
            difference = _NO_CANDIDATE
            if candidate is not None:
                difference = self._find_difference(candidate)
            self.record.finish(_shortened(self.redact(difference)))
        except HaltedError:
            return ExitCode.STOPPED
        except TeskError as error:
            self.warn(f"the check is not recorded: {error.message}")
            return ExitCode.TEMPORARY_FAILURE
        return ExitCode.FAILED if difference else ExitCode.OK

    def _find_difference(self, candidate: Candidate) -> str:
        """Return the first difference; "" if there is none.

        Raises:
            HaltedError: The check was stopped from outside.
        """
        deadline = self.monotonic() + self.limit.total_seconds()
        inputs = [each for each in candidate.files if each.direction == "inputs"]
        outputs = [each for each in candidate.files if each.direction != "inputs"]
        before = _Inputs(inputs)
        try:
            for index, entry in enumerate(candidate.inputs):
                self._check_input(index, entry, before, deadline)
            for output in outputs:
                self._submit_output(output, deadline)
            self.workers.drain()
        except HaltedError:
            if not self.workers.failures:
                raise
        if self.workers.failures:
            return self.workers.failures[0].message
        missing = before.missing()
        return f"{_title('inputs', missing)}: {_GONE}" if missing else ""

    def _check_input(
        self, index: int, entry: Input, before: _Inputs, deadline: float
    ) -> None:
        url = "" if entry.content else (entry.url or "")
        if not url or is_reference(url):
            return
        name = title(f"inputs[{index}]", normalize(entry.path), describe_url(url))
        plans: list[Download] = []
        self.workers.call(name, lambda: plans.append(plan_download(index, entry)))
        for plan in plans:
            if plan.source is None:
                continue
            if plan.is_directory:
                check = partial(
                    self._check_directory, plan, plan.source, before, deadline
                )
                self.workers.call(name, check)
            else:
                was = before.take(plan.path, plan.source)
                self._submit(name, was, plan.source, deadline)

    def _check_directory(
        self, plan: Download, source: Location, before: _Inputs, deadline: float
    ) -> None:
        storage = self.storages.of(source)
        for page in self.listing.pages(storage, source, self.expansion.part()):
            self._check_time(deadline)
            for entry in page.entries:
                if self.workers.failures:
                    return
                path = f"{plan.path.rstrip('/')}/{entry.name}"
                file = source.below(entry.name)
                name, was = title(plan.field, path, str(file)), before.take(path, file)
                if was is None or _identity(file, entry):
                    self.workers.call(name, partial(_compare, was, file, entry))
                else:
                    self._submit(name, was, file, deadline)  # a listing says too little

    def _submit_output(self, output: FileIdentity, deadline: float) -> None:
        name = _title("outputs", output)
        places: list[Location] = []
        self.workers.call(name, lambda: places.append(parse_location(output.url)))
        for place in places:
            self._submit(name, output, place, deadline)

    def _submit(
        self,
        name: str,
        before: FileIdentity | None,
        location: Location,
        deadline: float,
    ) -> None:
        def ask() -> Stat | None:
            with self.limits.request(location.host):
                return self.storages.of(location).stat(location)

        def check() -> None:
            self._check_time(deadline)
            said = self.listing.retry(ask)
            if said is None or said.is_directory:
                raise StorageError(_GONE)
            _compare(before, location, said)

        self.workers.submit(name, check)

    def _check_time(self, deadline: float) -> None:
        if self.monotonic() > deadline:
            minutes = round(self.limit.total_seconds() / 60)
            message = f"the check of all files took longer than {minutes} minutes"
            raise StorageError(message)


def _compare(before: FileIdentity | None, location: Location, said: Stat) -> None:
    """Raise StorageError if a file is not what it was."""
    size = 0 if said.is_directory else said.size
    identity = _identity(location, said)
    difference = find_difference(before, size=size, identity=identity)
    if difference:
        raise StorageError(difference)


def _identity(location: Location, said: Stat) -> str:
    if said.is_directory:
        return DIRECTORY
    return identity_of(location, etag=said.etag, checksums=said.checksums)


def _title(field: str, file: FileIdentity) -> str:
    return title(field, file.path, describe_url(file.url))


def _shortened(text: str) -> str:
    return printable(text).encode()[:_MAX_LENGTH].decode(errors="ignore")
