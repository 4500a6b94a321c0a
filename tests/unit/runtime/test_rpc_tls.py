"""TLS between the services, and messages about its failures."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import grpc
import pytest
from google.protobuf.wrappers_pb2 import StringValue

from files.certificates import Authority, Pair
from tesk_model.errors import UnauthenticatedError, UnavailableError
from tesk_runtime.rpc.channel import open_channel
from tesk_runtime.rpc.interceptors import ErrorInterceptor, InternalTokenInterceptor
from tesk_runtime.rpc.server import RpcServer
from tesk_runtime.rpc.status import invoke
from tesk_runtime.rpc.tls import channel_credentials, server_credentials
from tesk_runtime.sections import GrpcSettings

PLAIN = GrpcSettings()
TIMEOUT = timedelta(seconds=10)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "authority")


def shows(pair: Pair) -> GrpcSettings:
    return GrpcSettings(tls_certificate=str(pair.certificate), tls_key=str(pair.key))


def trusts(authority: Authority) -> GrpcSettings:
    return GrpcSettings(tls_ca=str(authority.certificate))


@contextmanager
def serving(settings: GrpcSettings) -> Iterator[str]:
    handler = grpc.unary_unary_rpc_method_handler(
        lambda request, _context: request,
        StringValue.FromString,
        StringValue.SerializeToString,
    )
    server = RpcServer(
        services=["test.Echo"],
        register=lambda raw: raw.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler("test.Echo", {"Echo": handler}),)
        ),
        interceptors=[
            ErrorInterceptor(logging.getLogger("test")),
            InternalTokenInterceptor("right"),
        ],
        threads=2,
        credentials=server_credentials(settings),
    )
    port = server.start("localhost:0")
    try:
        yield f"dns:///localhost:{port}"
    finally:
        server.stop(timedelta(0))


def call(address: str, settings: GrpcSettings, token: str = "right") -> str:
    with open_channel(
        address, token=token, credentials=channel_credentials(settings)
    ) as channel:
        echo = channel.unary_unary(
            "/test.Echo/Echo",
            request_serializer=StringValue.SerializeToString,
            response_deserializer=StringValue.FromString,
        )
        return invoke(echo, StringValue(value="said"), timeout=TIMEOUT).value


def test_a_client_that_trusts_the_authority_is_served(authority: Authority) -> None:
    with serving(shows(authority.issue("localhost"))) as address:
        assert call(address, trusts(authority)) == "said"


def test_the_token_is_asked_for_all_the_same(authority: Authority) -> None:
    with (
        serving(shows(authority.issue("localhost"))) as address,
        pytest.raises(UnauthenticatedError),
    ):
        call(address, trusts(authority), token="wrong")


def test_another_authority_is_not_trusted(authority: Authority, tmp_path: Path) -> None:
    other = Authority(tmp_path / "other")
    with (
        serving(shows(authority.issue("localhost"))) as address,
        pytest.raises(UnavailableError, match=r"not signed by .*TESK_GRPC_TLS_CA"),
    ):
        call(address, trusts(other))


def test_a_certificate_of_another_host_is_refused(authority: Authority) -> None:
    with (
        serving(shows(authority.issue("elsewhere"))) as address,
        pytest.raises(UnavailableError, match="for another host"),
    ):
        call(address, trusts(authority))


def test_a_caller_without_tls_is_not_served(authority: Authority) -> None:
    with (
        serving(shows(authority.issue("localhost"))) as address,
        pytest.raises(UnavailableError, match="if it speaks TLS, set "),
    ):
        call(address, PLAIN)


def test_a_caller_with_tls_talks_to_no_server_without(authority: Authority) -> None:
    with (
        serving(PLAIN) as address,
        pytest.raises(UnavailableError, match="does not speak TLS"),
    ):
        call(address, trusts(authority))


def test_a_renewed_certificate_is_shown_to_the_next_caller(
    authority: Authority,
) -> None:
    pair = authority.issue("localhost")
    with serving(shows(pair)) as address:
        call(address, trusts(authority))
        renewed = Authority(pair.certificate.parent)
        renewed.issue("localhost")

        assert call(address, trusts(renewed)) == "said"


def test_a_half_written_renewal_changes_nothing(
    authority: Authority, tmp_path: Path
) -> None:
    pair = authority.issue("localhost")
    other = Authority(tmp_path / "other").issue("localhost")
    with serving(shows(pair)) as address:
        pair.key.write_bytes(other.key.read_bytes())

        assert call(address, trusts(authority)) == "said"


def test_an_unusable_pair_is_named(authority: Authority, tmp_path: Path) -> None:
    pair = authority.issue("localhost")
    other = Authority(tmp_path / "other").issue("localhost")
    mixed = Pair(pair.certificate, other.key)
    cases = {
        "must be set": GrpcSettings(tls_certificate=str(pair.certificate)),
        "cannot be used": shows(mixed),
        "No such file": shows(Pair(tmp_path / "gone.crt", tmp_path / "gone.key")),
    }
    for wanted, settings in cases.items():
        with pytest.raises(ValueError, match=f"TESK_GRPC_TLS_KEY.*{wanted}"):
            server_credentials(settings)


@pytest.mark.parametrize(
    ("content", "wanted"),
    [(None, "cannot be read"), (b"no certificate", "does not hold a certificate")],
)
def test_an_unusable_authority_is_named(
    tmp_path: Path, content: bytes | None, wanted: str
) -> None:
    file = tmp_path / "ca.crt"
    if content is not None:
        file.write_bytes(content)

    with pytest.raises(ValueError, match=f"TESK_GRPC_TLS_CA.*{wanted}"):
        channel_credentials(GrpcSettings(tls_ca=str(file)))
