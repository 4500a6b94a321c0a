"""Opens channels to a TESK server: limits, keepalive, retries, the token."""

import json
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, NamedTuple

import grpc

# A TES task may carry 16 MiB of JSON with inline content, and a batch several.
MESSAGE_LIMIT = 64 * 1024 * 1024
# The proxies that the environment names are for the storages of tasks.
NO_PROXY = ("grpc.enable_http_proxy", 0)


class _CallDetails(NamedTuple):  # the shape of grpc.ClientCallDetails
    method: str
    timeout: float | None
    metadata: Sequence[tuple[str, str | bytes]] | None
    credentials: grpc.CallCredentials | None
    wait_for_ready: bool | None
    compression: grpc.Compression | None


class _TokenInterceptor(grpc.UnaryUnaryClientInterceptor):
    def __init__(self, token: str) -> None:
        self._entry = ("authorization", f"Bearer {token}")

    def intercept_unary_unary(
        self,
        continuation: Callable[[grpc.ClientCallDetails, Any], Any],
        client_call_details: grpc.ClientCallDetails,
        request: Any,
    ) -> Any:
        details = _CallDetails(
            method=client_call_details.method,
            timeout=client_call_details.timeout,
            metadata=[*(client_call_details.metadata or ()), self._entry],
            credentials=client_call_details.credentials,
            wait_for_ready=client_call_details.wait_for_ready,
            compression=client_call_details.compression,
        )
        return continuation(details, request)  # type: ignore[arg-type]  # gRPC takes any object of this shape


def open_channel(
    address: str,
    *,
    token: str,
    retried: Sequence[str] = (),
    credentials: grpc.ChannelCredentials | None = None,
    max_reconnect_backoff: timedelta = timedelta(seconds=2),
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
    channel = (
        grpc.secure_channel(address, credentials, options=options)
        if credentials
        else grpc.insecure_channel(address, options=options)
    )
    return grpc.intercept_channel(channel, _TokenInterceptor(token))


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
