"""Checks urls of tasks, and connects to their hosts, as far as the operator allows."""

import socket

from tesk_filer.ports import StorageError
from tesk_model.locations import Location
from tesk_model.url_lists import UrlLists
from tesk_runtime.egress.connecting import Connector, EgressRefusedError, Resolve
from tesk_runtime.egress.policy import EgressPolicy


class Egress:
    """Opens connections to hosts that come from urls; thread-safe."""

    def __init__(
        self,
        policy: EgressPolicy,
        resolve: Resolve | None = None,
        *,
        urls: UrlLists | None = None,
    ) -> None:
        """Resolve names as the system does, or by ``resolve``."""
        self._connector = Connector(policy, resolve)
        self._urls = urls or UrlLists()

    def check(self, location: Location) -> None:
        """Check a url of a task, or to which one leads, by the operator's lists.

        Raises:
            StorageError: Permanent: it may not be used.
        """
        if problem := self._urls.problem(location):
            raise StorageError(problem)

    def check_asked(self, location: Location) -> None:
        """Check a url that is asked for on the way to a url that was checked.

        Raises:
            StorageError: Permanent: the operator's lists refuse it by name.
        """
        if problem := self._urls.refusal(location):
            raise StorageError(problem)

    def connect(self, host: str, port: int, timeout: float) -> socket.socket:
        """Return a connection; see ``Connector.connect``.

        Raises:
            StorageError: Permanent: the policy refuses each address of the host.
            OSError: As ``socket.create_connection``.
        """
        try:
            return self._connector.connect(host, port, timeout)
        except EgressRefusedError as error:
            raise StorageError(str(error)) from error

    def check_proxied(self, host: str) -> None:
        """Check a host to which a proxy will connect, as far as its name tells.

        Raises:
            StorageError: Permanent: the policy refuses it.
        """
        try:
            self._connector.check_proxied(host)
        except EgressRefusedError as error:
            raise StorageError(str(error)) from error
