"""Requests of WebHDFS: a namenode answers, or sends to a datanode for the bytes.

Source:
    Apache Hadoop, "WebHDFS REST API". HttpFS and gateways such as Knox speak it, too.
"""

import base64
import json
from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

from tesk_filer.adapters.storage.directory_targets import IS_DIRECTORY
from tesk_filer.adapters.storage.egress import Egress
from tesk_filer.adapters.storage.http_bodies import BytesBody, FileBody
from tesk_filer.adapters.storage.http_redirects import keeps_login, redirect_of
from tesk_filer.adapters.storage.http_response import HttpResponse
from tesk_filer.adapters.storage.rest import Dialect, Request, RestClient
from tesk_filer.adapters.storage.storage_config import HdfsService
from tesk_filer.domain.credentials import BearerToken, Login, with_login_of
from tesk_filer.ports import Credentials, StorageError
from tesk_model.locations import Location, parse_location

_MAX_HOPS = 5
_NO_ARGUMENTS: Mapping[str, str] = MappingProxyType({})
_ONCE = frozenset({"RENAME"})  # the second finds no file to rename
_DENIED = (
    "access denied ({code}); check the user of the url, or of the filer's credentials, "
    "and the permissions there"
)


def _code_of(response: HttpResponse) -> str:
    """Return the exception that an error names, e.g. ``FileNotFoundException``."""
    try:
        code = json.loads(response.read_document())["RemoteException"]["exception"]
    except (StorageError, ValueError, LookupError, TypeError):
        return ""
    return code if isinstance(code, str) and code.isalnum() else ""


NOT_FOUND = "FileNotFoundException"
DIALECT = Dialect(
    name="HDFS",
    code_of=_code_of,
    texts=MappingProxyType(
        {
            NOT_FOUND: "does not exist ({code}); check the path",
            "401": _DENIED,
            "AccessControlException": _DENIED,
            "SecurityException": _DENIED,
            "InvalidToken": _DENIED,
            "StandbyException": (
                "its namenode is on standby ({code}); give the active one"
            ),
            "SafeModeException": "its namenode is in safe mode ({code})",
            "DSQuotaExceededException": "the space quota there is used up ({code})",
            "NSQuotaExceededException": "the quota of names there is used up ({code})",
            "FileAlreadyExistsException": f"{IS_DIRECTORY} ({{code}})",
            "ParentNotDirectoryException": (
                "one of the directories above it is a file ({code})"
            ),
            "404": "WebHDFS is not there ({code}); check host and port",
        }
    ),
    transient=frozenset(
        {
            "StandbyException",
            "SafeModeException",
            "RetriableException",
            "LeaseExpiredException",
            "AlreadyBeingCreatedException",
        }
    ),
)


class WebHdfs:
    """Sends operations to namenodes; thread-safe."""

    def __init__(
        self,
        client: RestClient,
        egress: Egress,
        credentials: Credentials,
        service: HdfsService,
    ) -> None:
        """Connect by ``client``, and follow to where ``egress`` allows."""
        self._client = client
        self._egress = egress
        self._credentials = credentials
        self._service = service

    def ask(
        self,
        method: str,
        location: Location,
        operation: str,
        arguments: Mapping[str, str] = _NO_ARGUMENTS,
    ) -> dict[str, Any]:
        """Return what an operation answers; {} if nothing.

        Raises:
            StorageError: It fails.
        """
        response = self.follow(method, location, operation, arguments)
        document = response.read_document()
        try:
            return dict(json.loads(document)) if document.strip() else {}
        except (ValueError, TypeError) as error:
            raise nonsense() from error

    def follow(
        self,
        method: str,
        location: Location,
        operation: str,
        arguments: Mapping[str, str] = _NO_ARGUMENTS,
        *,
        body: FileBody | None = None,
    ) -> HttpResponse:
        """Return the successful response of an operation, from wherever it leads.

        Only where the namenode sends it ``body`` goes.

        Raises:
            StorageError: It fails.
        """
        login = with_login_of(location, self._credentials.find(location))
        request = self._request(method, location, operation, arguments, login)
        place = parse_location(request.url)
        for hop in range(_MAX_HOPS):
            response = self._client.send(request)
            target = redirect_of(
                method,
                place,
                response.status,
                response.headers.get("Location", ""),
            )
            if target is None:
                if body is not None and not hop:
                    _refuse_unredirected(response)
                return _checked(response)
            response.close()
            self._egress.check(target)
            kept = request.headers if keeps_login(place, target) else {}
            place = target
            request = Request(
                method=method,
                url=target.url,
                headers={**kept, "Content-Type": "application/octet-stream"},
                body=body or BytesBody(),
            )
        raise StorageError("redirects without end")

    def _request(
        self,
        method: str,
        location: Location,
        operation: str,
        arguments: Mapping[str, str],
        login: object,
    ) -> Request:
        query = {"op": operation, **arguments}
        headers: dict[str, str] = {}
        if isinstance(login, BearerToken):
            query["delegation"] = login.token
        elif isinstance(login, Login) and login.password:
            # Of a gateway: HDFS itself knows no passwords.
            pair = f"{login.user}:{login.password}".encode()
            headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"
        elif user := login.user if isinstance(login, Login) else self._service.user:
            query["user.name"] = user
        try:
            path = quote(location.path or "/")
        except UnicodeEncodeError as error:
            message = "its name is not valid UTF-8, as HDFS wants"
            raise StorageError(message) from error
        return Request(
            method=method,
            url=f"{self._endpoint(location)}/webhdfs/v1{path}",
            query=query,
            headers=headers,
            is_repeatable=operation not in _ONCE,
        )

    def _endpoint(self, location: Location) -> str:
        host = f"[{location.host}]" if ":" in location.host else location.host
        if location.scheme == "hdfs":
            # Its port, if any, is that of Hadoop's own protocol.
            return f"http://{host}:{self._service.port}"
        scheme = "https" if location.scheme == "swebhdfs" else "http"
        return f"{scheme}://{host}:{location.port_or_default}"


def nonsense() -> StorageError:
    """Return the error of a response that is none of WebHDFS."""
    return StorageError("the server does not answer as WebHDFS; check host and port")


def _refuse_unredirected(response: HttpResponse) -> None:
    """Raise StorageError if a namenode takes a file without its bytes."""
    if response.status < HTTPStatus.MULTIPLE_CHOICES:
        response.close()
        raise StorageError("its server takes no files: it redirects none")


def _checked(response: HttpResponse) -> HttpResponse:
    if HTTPStatus.OK <= response.status < HTTPStatus.MULTIPLE_CHOICES:
        return response
    raise DIALECT.error_of(response)
