"""Checks whether a TESK server is alive."""

from datetime import timedelta

import grpc

from tesk_runtime.rpc.channel import NO_PROXY

_CHECK = "/grpc.health.v1.Health/Check"
_NO_ANSWER = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)


def answers(address: str, timeout: timedelta) -> bool:
    """Tell whether the server at ``address`` answers at all within ``timeout``.

    An error is an answer too: a server that is busy, or wants a token, is alive.
    """
    with grpc.insecure_channel(address, options=[NO_PROXY]) as channel:
        # The empty request asks for the server as a whole.
        check: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(_CHECK)
        try:
            check(b"", timeout=timeout.total_seconds())
        except grpc.RpcError as error:
            return error.code() not in _NO_ANSWER
    return True
