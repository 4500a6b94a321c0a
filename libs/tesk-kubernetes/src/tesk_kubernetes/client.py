"""The Kubernetes API over HTTP."""

import random
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from tesk_kubernetes.api import (
    PODS,
    ApiUnavailableError,
    ExpiredError,
    JsonObject,
    KubernetesError,
    Listing,
    Propagation,
    Resource,
    WatchEvent,
)
from tesk_kubernetes.connection import Connection, CredentialsError
from tesk_kubernetes.refusals import MissingError, OtherObjectError
from tesk_kubernetes.service_account import FOLDER, service_account_connection
from tesk_kubernetes.settings import KubernetesSettings
from tesk_kubernetes.streams import ResponseStream, log_stream, watch_stream
from tesk_kubernetes.transport import NO_TIMEOUT, READ_SECONDS, Transport

_PAGE = 500
# A listing expires while it is paged after some minutes: then begin again.
_LISTINGS = 3
# The server ends a watch before it becomes stale; bookmarks come each minute, or
# some ten seconds later on a busy machine.
_WATCH_SECONDS = 290
_SILENCE_SECONDS = 100.0
_RETRY_FOR = timedelta(seconds=10)


class NoClusterError(KubernetesError):
    """There is no configuration of the cluster, or it is malformed."""


class RealKubernetesApi:
    """``KubernetesApi`` of a cluster. Thread-safe."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def create(
        self, resource: Resource, namespace: str, body: Mapping[str, Any]
    ) -> JsonObject:
        """Create an object and return it as stored."""
        typed = {"apiVersion": resource.api_version, "kind": resource.kind, **body}
        return self._transport.call("POST", _path(resource, namespace), body=typed)

    def get(self, resource: Resource, namespace: str, name: str) -> JsonObject | None:
        """Return an object; None if there is none."""
        try:
            return self._transport.call("GET", _path(resource, namespace, name))
        except MissingError:
            return None

    def list(
        self, resource: Resource, namespace: str, *, labels: str = "", fields: str = ""
    ) -> Listing:
        """Return all objects that match the selectors, over all pages."""
        query = _selectors(labels, fields) | {"limit": str(_PAGE)}
        for _ in range(_LISTINGS):
            try:
                return self._pages(_path(resource, namespace), query)
            except ExpiredError:
                continue
        raise ApiUnavailableError(f"{resource.plural} change faster than they are read")

    def watch(
        self, resource: Resource, namespace: str, *, labels: str, since: str
    ) -> ResponseStream[WatchEvent]:
        """Open a stream of changes after ``since``, until the server ends it."""
        # Spread, so that the watches of many processes do not all end at once.
        seconds = _WATCH_SECONDS + random.randrange(30)  # noqa: S311
        query = _selectors(labels, "") | {
            "watch": "1",
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(seconds),
            "resourceVersion": since,
        }
        path = _path(resource, namespace)
        return watch_stream(
            self._transport.open(path, query=query, silence=_SILENCE_SECONDS)
        )

    def delete(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        *,
        uid: str = "",
        grace: timedelta | None = None,
        propagation: Propagation = Propagation.BACKGROUND,
    ) -> bool:
        """Ask for deletion; False if there is none, or one with another uid."""
        options: JsonObject = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": propagation.value,
        }
        if uid:
            options["preconditions"] = {"uid": uid}
        if grace is not None:
            options["gracePeriodSeconds"] = int(grace.total_seconds())
        path = _path(resource, namespace, name)
        try:
            self._transport.call("DELETE", path, body=options)
        except (MissingError, OtherObjectError):
            return False
        return True

    def logs(
        self, namespace: str, pod: str, *, container: str, follow: bool, tail_lines: int
    ) -> ResponseStream[bytes]:
        """Open the log of a container as chunks of bytes."""
        query = {"container": container}
        if follow:
            query["follow"] = "true"
        if tail_lines >= 0:
            query["tailLines"] = str(tail_lines)
        path = f"{_path(PODS, namespace, pod)}/log"
        # Only a program that runs may be silent; a node that sends no log hangs.
        silence = NO_TIMEOUT if follow else READ_SECONDS
        return log_stream(self._transport.open(path, query=query, silence=silence))

    def _pages(self, path: str, query: dict[str, str]) -> Listing:
        items: list[JsonObject] = []
        page = self._transport.call("GET", path, query=query)
        items += page["items"] or ()
        while token := page["metadata"].get("continue"):
            page = self._transport.call("GET", path, query=query | {"continue": token})
            items += page["items"] or ()
        return Listing(items, page["metadata"]["resourceVersion"])


def open_api(
    environ: Mapping[str, str], *, retry_for: timedelta = _RETRY_FOR
) -> RealKubernetesApi:
    """Return the API of the cluster in ``KUBECONFIG``, else of the own cluster.

    Nothing is sent yet.

    Args:
        environ: Of the process.
        retry_for: How long a call is retried before it raises ApiUnavailableError.

    Raises:
        NoClusterError: Neither a kubeconfig nor a service account can be used.
    """
    try:
        connection = _connect(environ)
    except (CredentialsError, OSError) as error:
        source = environ.get("KUBECONFIG") or "no KUBECONFIG, and no service account"
        raise NoClusterError(f"no cluster: {source}: {error}") from error
    return RealKubernetesApi(Transport(connection, retry_for=retry_for))


def _connect(environ: Mapping[str, str]) -> Connection:
    file = environ.get("KUBECONFIG")
    if not file:
        return service_account_connection(environ)
    from tesk_kubernetes.kubeconfig import (  # noqa: PLC0415 - see there
        kubeconfig_connection,
    )

    return kubeconfig_connection(file)


def task_namespaces(
    settings: KubernetesSettings, environ: Mapping[str, str]
) -> tuple[str, ...]:
    """Return the namespaces in which tasks run; never empty.

    Without a setting it is the present namespace: ``POD_NAMESPACE``, else the service account's, else that of the
    kubeconfig's current context, else ``default``.
    """
    return settings.namespaces or (_own_namespace(environ),)


def _own_namespace(environ: Mapping[str, str]) -> str:
    given = environ.get("POD_NAMESPACE", "")
    if given:
        return given
    try:
        return (FOLDER / "namespace").read_text(encoding="utf-8").strip()
    except OSError:
        return _context_namespace(environ.get("KUBECONFIG", "")) or "default"


def _context_namespace(file: str) -> str:
    if not file:
        return ""
    from tesk_kubernetes.kubeconfig import (  # noqa: PLC0415 - see there
        context_namespace,
    )

    return context_namespace(file)


def _selectors(labels: str, fields: str) -> dict[str, str]:
    given = {"labelSelector": labels, "fieldSelector": fields}
    return {name: value for name, value in given.items() if value}


def _path(resource: Resource, namespace: str, name: str = "") -> str:
    version = resource.api_version
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    place = f"/namespaces/{quote(namespace, safe='')}" if namespace else ""
    path = f"{root}{place}/{resource.plural}"
    return f"{path}/{quote(name, safe='')}" if name else path
