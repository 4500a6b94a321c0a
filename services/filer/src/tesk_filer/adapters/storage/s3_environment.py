"""What the environment says of AWS: keys, region, endpoint, as its own tools read it.

Keys in variables are read here. Files, web identities and roles of machines are
botocore's, which is imported only for these: its import takes as long as the whole start
of a filer.
"""

import math
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import cache, partial
from pathlib import Path
from typing import Any

from tesk_filer.adapters.storage.access_tokens import (
    PAUSE,
    Lateness,
    OneAtATime,
    within_deadline,
)
from tesk_filer.adapters.storage.s3_endpoints import Endpoint
from tesk_filer.domain.credentials import S3Keys
from tesk_filer.ports import StorageError

NO_KEYS = (
    "no credentials for S3; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY for the "
    "filer, or filer.s3_anonymous"
)
"""What to say where no keys are found."""
_DEFAULT_REGION = "us-east-1"  # also what services without regions expect
# To ask botocore takes a thread, and there is a request for each of many small files.
_KEPT = timedelta(seconds=1)
# Where a refusal may be of the keys, or of a right that they lack: most often the latter.
_DOUBTED = timedelta(minutes=1)
_TRIES = 3  # of the service of a machine, each with a second
_OF_LIBRARY = 1  # such tries, unless somebody sets another number


@dataclass(slots=True)
class _Refused:
    """The last search for other keys than those that were refused.

    Attributes:
        began: Of the monotonic clock.
        failure: Why there are none for the moment.
    """

    began: float = -math.inf
    failure: StorageError | None = None


@dataclass(slots=True)
class _Kept:
    """Keys that botocore has found.

    Attributes:
        due: When it is asked again, of the monotonic clock.
    """

    keys: S3Keys | None = None
    due: float = 0.0


class AwsEnvironment:
    """The ambient identity; thread-safe."""

    def __init__(
        self,
        environ: Mapping[str, str],
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Read ``environ`` first, then what botocore finds.

        Args:
            environ: Variables of the process.
            monotonic: A clock, in seconds.
        """
        self._environ = environ
        self._monotonic = monotonic
        self._lateness = Lateness(monotonic)
        self._kept = _Kept()
        self._refused = _Refused()
        self._turns = OneAtATime()
        self._lock = threading.Lock()
        self._session: Any = None
        self._status = 0  # that botocore has met last; not all its errors tell it
        self._region = ""
        self._endpoint: Endpoint | None = None

    def keys(self) -> S3Keys:
        """Return the present keys; those that expire are renewed, within a second.

        Raises:
            StorageError: There are none.
        """
        access = self._environ.get("AWS_ACCESS_KEY_ID", "")
        secret = self._environ.get("AWS_SECRET_ACCESS_KEY", "")
        if access and secret:
            token = self._environ.get("AWS_SESSION_TOKEN", "")
            token = token or self._environ.get("AWS_SECURITY_TOKEN", "")
            return S3Keys(access_key=access, secret_key=secret, session_token=token)
        return self._recent_keys()

    def others(self, refused: S3Keys, *, doubted: bool) -> S3Keys:
        """Read files and ask roles anew; ``refused`` stay in use until there are others.

        Args:
            refused: The keys of a request that was refused.
            doubted: Whether that may not be for its keys; they are looked for once in a
                minute then, lest a right that they lack be asked for with each request.

        Returns:
            The present keys; the refused ones if there are no others.

        Raises:
            StorageError: There are none; transient: for the moment.
        """
        pause = _DOUBTED if doubted else _KEPT
        return self._turns.ask(lambda: self._others(refused, pause.total_seconds()))

    def region(self) -> str:
        """Return the region; that of services without regions if none is named."""
        self._region = (
            self._region
            or self._environ.get("AWS_DEFAULT_REGION")
            or self._environ.get("AWS_REGION")
            or self._setting("region")
            or _DEFAULT_REGION
        )
        return self._region

    def endpoint(self) -> Endpoint:
        """Return how AWS, or what stands for it, is reached."""
        if self._endpoint is None:
            self._endpoint = self._read_endpoint()
        return self._endpoint

    def _read_endpoint(self) -> Endpoint:
        url = ""
        if self._flag("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS") is not True:
            url = (
                self._environ.get("AWS_ENDPOINT_URL_S3")
                or self._environ.get("AWS_ENDPOINT_URL")
                or self._configured_endpoint()
            )
        return Endpoint(
            url=url,
            dualstack=self._is_on("use_dualstack_endpoint"),
            fips=self._is_on("use_fips_endpoint"),
        )

    def _is_on(self, name: str) -> bool:
        flag = self._flag(f"AWS_{name.upper()}")
        return bool(self._setting(name)) if flag is None else flag

    def _flag(self, name: str) -> bool | None:
        value = self._environ.get(name, "").lower()
        return value == "true" if value else None

    def _setting(self, name: str) -> Any:
        """Return a setting of the AWS tools' own file; None if there is no file."""
        if not self._config_file().is_file():
            return None
        with suppress(Exception):  # a malformed file is told where keys are looked for
            return self._open_session().get_config_variable(name)
        return None

    def _configured_endpoint(self) -> str:
        if not self._config_file().is_file():
            return ""
        with suppress(Exception):
            scoped = self._open_session().get_scoped_config()
            own = self._open_session().full_config.get("services", {})
            s3 = own.get(scoped.get("services"), {}).get("s3", {})
            return str(s3.get("endpoint_url") or scoped.get("endpoint_url") or "")
        return ""

    def _config_file(self) -> Path:
        named = self._environ.get("AWS_CONFIG_FILE")
        return Path(named or Path(self._environ.get("HOME", "/")) / ".aws" / "config")

    def _recent_keys(self) -> S3Keys:
        kept, now = self._kept, self._monotonic()
        if kept.keys is None:
            return self._turns.ask(self._first_keys)
        if now < kept.due:
            return kept.keys
        kept.due = now + _KEPT.total_seconds()  # meanwhile others use what there is
        try:
            keys, pause = self._found_keys(self._open_session), _KEPT
        except StorageError as error:
            if not error.transient:
                raise
            # botocore asks for others minutes before their end; AWS tells when it is.
            keys, pause = kept.keys, PAUSE
        kept.keys = keys
        kept.due = self._monotonic() + pause.total_seconds()
        return keys

    def _first_keys(self) -> S3Keys:
        """Return the keys, of which others may wait for; one thread at a time."""
        keys = self._kept.keys
        if keys is None:
            keys = self._found_keys(self._open_session)
            self._keep(keys)
        return keys

    def _others(self, refused: S3Keys, pause: float) -> S3Keys:
        """See ``others``; one thread at a time."""
        kept, last, now = self._kept.keys, self._refused, self._monotonic()
        if kept != refused:
            return kept or refused  # of variables
        if last.failure is not None and now < last.began + PAUSE.total_seconds():
            raise last.failure
        if last.failure is None and now < last.began + pause:
            return kept
        session = cache(self._new_session)
        self._refused = _Refused(now)
        try:
            keys = self._found_keys(session)
        except StorageError as error:
            self._refused.failure = error
            raise
        with self._lock:
            self._session = session()
        self._keep(keys)
        return keys

    def _keep(self, keys: S3Keys) -> None:
        """Keep keys anew: whoever asks just now may bring older ones."""
        self._kept = _Kept(keys, self._monotonic() + _KEPT.total_seconds())

    def _found_keys(self, session: Callable[[], Any]) -> S3Keys:
        try:
            frozen = within_deadline(partial(_ask_library, session))
        except StorageError:
            raise
        except Exception as error:
            from tesk_filer.adapters.storage.s3_identity_errors import (  # noqa: PLC0415 - see the module
                explain_no_keys,
            )

            known = explain_no_keys(error, self._status)
            if known is None:
                raise
            raise known from error
        if frozen is None or not frozen.access_key:
            # The service of a machine may be late; botocore does not tell.
            has_service = not self._flag("AWS_EC2_METADATA_DISABLED")
            is_late = has_service and self._lateness.record_failure()
            raise StorageError(NO_KEYS, transient=is_late)
        self._lateness.record_answer()
        return S3Keys(
            access_key=frozen.access_key,
            secret_key=frozen.secret_key or "",
            session_token=frozen.token or "",
        )

    def _open_session(self) -> Any:
        with self._lock:
            if self._session is None:
                self._session = self._new_session()
            return self._session

    def _new_session(self) -> Any:
        from botocore.session import Session  # noqa: PLC0415 - see the module

        session = Session()
        name = "metadata_service_num_attempts"
        if session.get_config_variable(name) == _OF_LIBRARY:
            session.set_config_variable(name, _TRIES)
        session.register("before-parse", self._note_status)
        return session

    def _note_status(self, **told: Any) -> None:
        self._status = told["response_dict"]["status_code"]


def _ask_library(session: Callable[[], Any]) -> Any:
    """Return what botocore finds; it may ask services, without a deadline."""
    found = session().get_credentials()
    return found.get_frozen_credentials() if found else None
