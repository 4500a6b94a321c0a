"""Opens channels to a TESK server: limits, keepalive, retries, the token."""

import json
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import Any, Self

import grpc

# A TES task may carry 16 MiB of JSON with inline content, and a batch several.
MESSAGE_LIMIT = 64 * 1024 * 1024
# The proxies that the environment names are for the storages of tasks.
NO_PROXY = ("grpc.enable_http_proxy", 0)


class _TokenChannel(grpc.Channel):
    """A channel whose unary calls carry a token.

    An interceptor of gRPC would do the same for a tenth of the CPU of a whole call.
    """

    def __init__(self, channel: grpc.Channel, token: str) -> None:
        self._channel = channel
        self._metadata = (("authorization", f"Bearer {token}"),)

    def unary_unary(self, *args: Any, **kwargs: Any) -> Any:
        """Return a method; its calls must not have metadata of their own."""
        method: Any = self._channel.unary_unary(*args, **kwargs)
        return partial(method, metadata=self._metadata)

    def unary_stream(self, *args: Any, **kwargs: Any) -> Any:
        """Return a method without the token."""
        return self._channel.unary_stream(*args, **kwargs)

    def stream_unary(self, *args: Any, **kwargs: Any) -> Any:
        """Return a method without the token."""
        return self._channel.stream_unary(*args, **kwargs)

    def stream_stream(self, *args: Any, **kwargs: Any) -> Any:
        """Return a method without the token."""
        return self._channel.stream_stream(*args, **kwargs)

    def subscribe(
        self,
        callback: Callable[[grpc.ChannelConnectivity], None],
        try_to_connect: bool | None = False,  # noqa: FBT001, FBT002 - as of gRPC
    ) -> None:
        """See ``grpc.Channel``."""
        self._channel.subscribe(callback, try_to_connect=bool(try_to_connect))

    def unsubscribe(self, callback: Callable[[grpc.ChannelConnectivity], None]) -> None:
        """See ``grpc.Channel``."""
        self._channel.unsubscribe(callback)

    def close(self) -> None:
        """See ``grpc.Channel``."""
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()


def open_channel(
    address: str,
    *,
    token: str,
    retried: Sequence[str] = (),
    credentials: grpc.ChannelCredentials | None = None,
    max_reconnect_backoff: timedelta = timedelta(seconds=2),
    server_name: str = "",
) -> grpc.Channel:
    """Open a channel; calls carry ``token`` as their bearer token.

    Args:
        address: gRPC target, ``host:port`` or ``dns:///name:port``.
        token: Sent with each call, never logged.
        retried: Full names of services whose every method is idempotent; their
            calls are repeated, with jitter, while the server is UNAVAILABLE
            and the deadline allows.
        credentials: Verify the server's certificate; None: without TLS.
        max_reconnect_backoff: Longest pause between two tries to connect.
        server_name: In the server's certificate; "": the host of ``address``.
    """
    options = [
        ("grpc.max_receive_message_length", MESSAGE_LIMIT),
        ("grpc.max_send_message_length", MESSAGE_LIMIT),
        ("grpc.keepalive_time_ms", 60_000),
        ("grpc.keepalive_timeout_ms", 20_000),
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.min_reconnect_backoff_ms", 100),
        (
            "grpc.max_reconnect_backoff_ms",
            round(max_reconnect_backoff.total_seconds() * 1000),
        ),
        ("grpc.dns_min_time_between_resolutions_ms", 5_000),
        ("grpc.service_config", _service_config(retried)),
        NO_PROXY,
    ]
    if server_name:
        options.append(("grpc.ssl_target_name_override", server_name))
    channel = (
        grpc.secure_channel(address, credentials, options=options)
        if credentials
        else grpc.insecure_channel(address, options=options)
    )
    return _TokenChannel(channel, token)


def _service_config(retried: Sequence[str]) -> str:
    policy = {
        "loadBalancingConfig": [{"round_robin": {}}],
        "methodConfig": [
            {
                "name": [{"service": service} for service in retried],
                "retryPolicy": {
                    "maxAttempts": 5,
                    "initialBackoff": "0.1s",
                    "maxBackoff": "2s",
                    "backoffMultiplier": 2,
                    "retryableStatusCodes": ["UNAVAILABLE"],
                },
            }
        ]
        if retried
        else [],
    }
    return json.dumps(policy)
