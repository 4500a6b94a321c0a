"""``s3://bucket/key``: AWS S3 and compatible services.

Keys are literal. An object is read by one GET: what a listing said of it, or its own
response, replaces a HEAD.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType

from tesk_filer.adapters.storage.http_exchange import Response
from tesk_filer.adapters.storage.http_parts import range_header, whole_file
from tesk_filer.adapters.storage.http_pool import HttpPool
from tesk_filer.adapters.storage.objects import (
    ObjectName,
    ObjectPage,
    ObjectStorage,
    verify_size,
)
from tesk_filer.adapters.storage.s3_checksums import md5_of_etag, read_checksums
from tesk_filer.adapters.storage.s3_environment import AwsEnvironment
from tesk_filer.adapters.storage.s3_errors import S3RefusedError, TranslatedErrors
from tesk_filer.adapters.storage.s3_messages import parse_listing
from tesk_filer.adapters.storage.s3_requests import S3Request, S3Requests
from tesk_filer.adapters.storage.s3_uploads import ONE_REQUEST, S3Uploads
from tesk_filer.adapters.storage.storage_config import StorageConfig
from tesk_filer.domain.checks import WriteFound
from tesk_filer.ports import (
    Advance,
    Checksums,
    Part,
    Source,
    Stat,
)
from tesk_model.locations import Location
from tesk_runtime.clock import SystemClock

_NO_HEADERS: Mapping[str, str] = MappingProxyType({})
_WITH_CHECKSUMS = {"x-amz-checksum-mode": "ENABLED"}


class S3Objects:
    """Requests of S3; satisfies ``ObjectService``."""

    def __init__(self, requests: S3Requests, *, connections: int) -> None:
        """Send ``requests``, and as many parts of large files at once."""
        self._requests = requests
        self._uploads = S3Uploads(requests=requests, parallel=connections)

    def name_of(self, location: Location) -> ObjectName:
        """See ``ObjectService``."""
        return ObjectName(location=location, bucket=location.host, key=location.path)

    def head(self, name: ObjectName) -> Stat | None:
        """See ``ObjectService``."""
        try:
            headers, _ = self._call("HEAD", name, headers=_WITH_CHECKSUMS)
        except S3RefusedError as error:
            if error.is_absent:
                return None
            raise
        size = headers.get("content-length", "")
        return Stat(
            size=int(size) if size.isdecimal() else None,
            etag=headers.get("etag", ""),
            checksums=read_checksums(headers),
        )

    def page(
        self, name: ObjectName, prefix: str, *, token: str, size: int
    ) -> ObjectPage:
        """See ``ObjectService``."""
        query = {"list-type": "2", "prefix": prefix, "max-keys": str(size)}
        query["encoding-type"] = "url"  # XML cannot hold every character of a key
        if token:
            query["continuation-token"] = token
        request = S3Request(method="GET", location=name.location, query=query)
        return parse_listing(self._requests.call(request)[1])

    @contextmanager
    def open(
        self, name: ObjectName, part: Part | None, known: Stat | None
    ) -> Iterator["_Download"]:
        """See ``ObjectService``; what is not known the response says."""
        headers = {} if part else dict(_WITH_CHECKSUMS)
        headers |= range_header(part)
        if known and known.etag:
            headers["if-match"] = known.etag
        request = S3Request(
            method="GET", location=name.location, key=name.key, headers=headers
        )
        with self._requests.send(request) as response:
            told = _told_of(response.headers, part)
            yield _Download(response, whole_file(response, part, known, told))

    def put(self, name: ObjectName, source: Source, advance: Advance) -> str:
        """See ``ObjectService``."""
        etag = self._uploads.write(name.location, source, advance)
        if source.size > ONE_REQUEST:
            verify_size(self, name, source.size)
        return etag

    def delete(self, name: ObjectName) -> None:
        """See ``ObjectService``."""
        self._call("DELETE", name)

    def check_put(self, name: ObjectName) -> WriteFound:
        """See ``ObjectService``."""
        return self._uploads.check(name.location)

    def close(self) -> None:
        """See ``ObjectService``."""
        self._uploads.close()
        self._requests.pool.close()

    def _call(
        self, method: str, name: ObjectName, headers: Mapping[str, str] = _NO_HEADERS
    ) -> tuple[Mapping[str, str], bytes]:
        return self._requests.call(
            S3Request(
                method=method, location=name.location, key=name.key, headers=headers
            )
        )


class _Download:
    """An object that is downloaded; satisfies ``ports.Reader``."""

    executable = False
    descriptor = None

    def __init__(self, response: Response, found: Stat) -> None:
        self._response = response
        self.size = found.size
        self.etag = found.etag
        self.has_parts = bool(found.etag)
        self.checksums: Checksums = found.checksums

    def read(self, size: int) -> bytes:
        with TranslatedErrors():
            return self._response.read(size)


def _told_of(headers: Mapping[str, str], part: Part | None) -> Stat:
    """Return what the response to GET tells of all of the object."""
    etag = headers.get("etag", "")
    if part is None:
        return Stat(etag=etag, checksums=read_checksums(headers))
    md5 = md5_of_etag(etag, headers)
    return Stat(etag=etag, checksums={"md5": md5} if md5 else {})


def open_storage(config: StorageConfig, environment: AwsEnvironment) -> ObjectStorage:
    """Return the storage of s3; ``environment`` tells who the filer is."""
    pool = HttpPool(
        timeouts=config.timeouts, size=config.idle_connections, environ=config.environ
    )
    requests = S3Requests(
        pool=pool,
        credentials=config.credentials,
        environment=environment,
        now=SystemClock().now,
    )
    return ObjectStorage(S3Objects(requests, connections=config.connections))
