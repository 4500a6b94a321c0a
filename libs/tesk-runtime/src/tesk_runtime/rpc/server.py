"""A gRPC server with health service, limits and graceful shutdown."""

from collections.abc import Callable, Sequence
from concurrent import futures
from datetime import timedelta

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from tesk_runtime.rpc.channel import MESSAGE_LIMIT

# Idle clients are pinged and dead ones detected; connections have a maximum age, so
# that clients resolve the address again and find new replicas.
_OPTIONS = (
    ("grpc.max_receive_message_length", MESSAGE_LIMIT),
    ("grpc.max_send_message_length", MESSAGE_LIMIT),
    ("grpc.keepalive_time_ms", 120_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.max_connection_age_ms", 300_000),
    ("grpc.max_connection_age_grace_ms", 60_000),
    ("grpc.so_reuseport", 0),
)


class RpcServer:
    """A server that reports its health and drains before it stops."""

    def __init__(
        self,
        *,
        services: Sequence[str],
        register: Callable[[grpc.Server], None],
        interceptors: Sequence[grpc.ServerInterceptor],
        threads: int,
        with_reflection: bool = False,
        credentials: grpc.ServerCredentials | None = None,
    ) -> None:
        """Build, but do not start, the server.

        Args:
            services: Full names of what ``register`` adds.
            register: Adds the servicers.
            interceptors: Outermost first.
            threads: Calls that run at once; as many again may wait, more are
                refused with RESOURCE_EXHAUSTED. A long-poll holds a thread.
            with_reflection: Offer the reflection service.
            credentials: Serve TLS only; None: without TLS.
        """
        self._server = grpc.server(
            futures.ThreadPoolExecutor(threads, thread_name_prefix="rpc"),
            interceptors=list(interceptors),
            options=list(_OPTIONS),
            maximum_concurrent_rpcs=threads * 2,
        )
        self._health = health.HealthServicer()
        self._services = tuple(services)
        self._credentials = credentials
        register(self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        if with_reflection:
            names = (*services, health.SERVICE_NAME, reflection.SERVICE_NAME)
            reflection.enable_server_reflection(names, self._server)

    def start(self, address: str) -> int:
        """Listen on ``host:port`` (port 0: any) and serve; return the port.

        Raises:
            RuntimeError: The address is in use or not available.
        """
        port = (
            self._server.add_secure_port(address, self._credentials)
            if self._credentials
            else self._server.add_insecure_port(address)
        )
        self._server.start()
        self._health.set("", health_pb2.HealthCheckResponse.SERVING)
        self.set_serving(serving=True)
        return port

    def set_serving(self, *, serving: bool) -> None:
        """Report to health checks whether this server's own services take calls.

        The server as a whole (the service "") is alive either way: it must not be
        restarted because a dependency is unavailable.
        """
        status = (
            health_pb2.HealthCheckResponse.SERVING
            if serving
            else health_pb2.HealthCheckResponse.NOT_SERVING
        )
        for service in self._services:
            self._health.set(service, status)

    def stop(self, grace: timedelta) -> None:
        """Refuse new calls, give running ones ``grace`` to end, then stop."""
        self._health.enter_graceful_shutdown()
        self._server.stop(grace.total_seconds()).wait()
