"""The Kubernetes API over HTTP, through the official client."""

import random
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml
from kubernetes import config
from kubernetes.client import Configuration
from kubernetes.config import incluster_config

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
from tesk_kubernetes.refusals import MissingError, OtherObjectError
from tesk_kubernetes.settings import KubernetesSettings
from tesk_kubernetes.streams import ResponseStream, log_stream, watch_stream
from tesk_kubernetes.transport import NO_TIMEOUT, Transport

_PAGE = 500
# A listing expires while it is paged after some minutes: then begin again.
_LISTINGS = 3
# The server ends a watch before it becomes stale; bookmarks come each minute, or
# some ten seconds later on a busy machine.
_WATCH_SECONDS = 290
_SILENCE_SECONDS = 100.0
_SERVICE_ACCOUNT = Path(incluster_config.SERVICE_TOKEN_FILENAME).parent
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
        return log_stream(self._transport.open(path, query=query, silence=NO_TIMEOUT))

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

    def configure(configuration: Configuration) -> None:
        if environ.get("KUBECONFIG"):
            config.load_kube_config(
                config_file=environ["KUBECONFIG"],
                client_configuration=configuration,
                persist_config=False,
            )
        else:
            # It reads the token again each minute: tokens are rotated.
            incluster_config.InClusterConfigLoader(
                token_filename=incluster_config.SERVICE_TOKEN_FILENAME,
                cert_filename=incluster_config.SERVICE_CERT_FILENAME,
                environ=environ,
            ).load_and_set(configuration)

    configuration = Configuration()
    try:
        configure(configuration)
    except (config.ConfigException, OSError, yaml.YAMLError) as error:
        source = environ.get("KUBECONFIG") or "no KUBECONFIG, and no service account"
        raise NoClusterError(f"no cluster: {source}: {error}") from error
    return RealKubernetesApi(
        Transport(configuration, renew=configure, retry_for=retry_for)
    )


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
        return (_SERVICE_ACCOUNT / "namespace").read_text(encoding="utf-8").strip()
    except OSError:
        return _context_namespace(environ) or "default"


def _context_namespace(environ: Mapping[str, str]) -> str:
    try:
        _, current = config.list_kube_config_contexts(environ.get("KUBECONFIG", ""))
    except (config.ConfigException, OSError, yaml.YAMLError):
        return ""
    return str((current.get("context") or {}).get("namespace") or "")


def _selectors(labels: str, fields: str) -> dict[str, str]:
    given = {"labelSelector": labels, "fieldSelector": fields}
    return {name: value for name, value in given.items() if value}


def _path(resource: Resource, namespace: str, name: str = "") -> str:
    version = resource.api_version
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    place = f"/namespaces/{quote(namespace, safe='')}" if namespace else ""
    path = f"{root}{place}/{resource.plural}"
    return f"{path}/{quote(name, safe='')}" if name else path
