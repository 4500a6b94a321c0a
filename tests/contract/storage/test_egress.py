"""Connections to the hosts of urls, and what may not be connected to."""

import socket
from collections.abc import Iterator
from datetime import timedelta
from ipaddress import ip_network

import pytest

from contract.storage.places import Place, http_storage
from servers.http import Fault, HttpFiles, http_server
from tesk_filer.adapters.storage.egress import Egress
from tesk_filer.adapters.storage.storage_config import Timeouts
from tesk_filer.ports import StorageError
from tesk_model.url_lists import parse_url_lists
from tesk_runtime.egress.policy import EgressPolicy

TIMEOUTS = Timeouts(connect=timedelta(seconds=2), stall=timedelta(seconds=2))
# The server is at 127.0.0.1; the rest of loopback is what must not be reached.
POLICY = EgressPolicy(
    section="filer", loopback=False, allowed=(ip_network("127.0.0.1"),)
)


class NameServer:
    """Answers with one list of addresses after another; the last for good."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    def resolve(self, host: str, port: int) -> list[str]:
        del port
        self.asked.append(host)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.fixture
def server() -> Iterator[HttpFiles]:
    with http_server() as files:
        files.files["/a"] = b"abc"
        yield files


def port_of(server: HttpFiles) -> int:
    return int(server.url.rpartition(":")[2])


def named(server: HttpFiles, name: str) -> str:
    return f"http://{name}:{port_of(server)}/a"


def web(names: NameServer) -> Place:
    egress = Egress(POLICY, names.resolve)
    return Place(http_storage(TIMEOUTS, egress=egress), "")


def test_the_connection_goes_to_the_address_that_was_checked(server: HttpFiles) -> None:
    names = NameServer(["127.0.0.1"], ["127.0.0.2"])

    assert web(names).get(named(server, "data.example.org")) == b"abc"

    assert names.asked == ["data.example.org"]


def test_a_name_that_later_leads_elsewhere_is_refused_then(server: HttpFiles) -> None:
    names = NameServer(["127.0.0.1"], ["127.0.0.2"])
    egress = Egress(POLICY, names.resolve)

    egress.connect("data.example.org", port_of(server), 2).close()
    with pytest.raises(StorageError, match=r"filer\.loopback") as caught:
        egress.connect("data.example.org", port_of(server), 2)

    assert not caught.value.transient


def test_of_several_addresses_an_allowed_one_is_used(server: HttpFiles) -> None:
    names = NameServer(["127.0.0.2", "169.254.169.254", "127.0.0.1"])

    assert web(names).get(named(server, "data.example.org")) == b"abc"


def test_an_address_that_does_not_answer_is_followed_by_the_next(
    server: HttpFiles,
) -> None:
    policy = EgressPolicy(section="filer", allowed=(ip_network("127.0.0.0/8"),))
    names = NameServer(["127.0.0.9", "127.0.0.1"])

    connection = Egress(policy, names.resolve).connect("data", port_of(server), 2)

    with connection:
        assert connection.getpeername() == ("127.0.0.1", port_of(server))
        assert connection.gettimeout() == pytest.approx(2)


def test_a_redirect_to_what_is_refused_fails_for_good(server: HttpFiles) -> None:
    names = NameServer(["127.0.0.1"], ["fd00:ec2::254"])
    server.faults["/a"] = [
        Fault(status=302, location="http://rebound.example.org/latest/meta-data/")
    ]

    with pytest.raises(StorageError, match="a metadata service") as caught:
        web(names).get(named(server, "data.example.org"))

    assert not caught.value.transient
    assert names.asked == ["data.example.org", "rebound.example.org"]


def test_a_redirect_to_a_url_that_the_lists_refuse_fails_for_good(
    server: HttpFiles,
) -> None:
    server.faults["/a"] = [Fault(status=302, location="/private/b")]
    urls = parse_url_lists((), (f"{server.url}/private",))
    egress = Egress(EgressPolicy(section="filer"), urls=urls)
    place = Place(http_storage(TIMEOUTS, egress=egress), "")

    with pytest.raises(StorageError, match=r"urls\.deny") as caught:
        place.get(f"{server.url}/a")

    assert not caught.value.transient
    assert [path for _, path in server.requests] == ["/a"]


def test_a_name_that_cannot_be_resolved_is_an_error_of_the_network() -> None:
    def resolve(host: str, port: int) -> list[str]:
        del host, port
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    egress = Egress(POLICY, resolve)
    place = Place(http_storage(TIMEOUTS, egress=egress), "")

    with pytest.raises(StorageError, match="cannot be resolved; check the url"):
        place.get("http://nowhere.example.org/a")


HOSTS = {
    "an address": "127.0.0.2",
    "an address in short": "127.2",
    "an address as one number": "2130706434",
    "an address in hexadecimal": "0x7f000002",
    "an address in octal": "0177.0.0.2",
    "IPv6": "::1",
    "IPv4 within IPv6": "::ffff:127.0.0.2",
    "the name of loopback": "localhost",
    "a metadata service": "169.254.169.254",
}


@pytest.mark.parametrize("host", HOSTS.values(), ids=HOSTS)
def test_is_neither_connected_to_nor_given_to_a_proxy(host: str) -> None:
    policy = EgressPolicy(section="filer", loopback=False)

    with pytest.raises(StorageError, match="filer"):
        Egress(policy).connect(host, 80, 1)
    with pytest.raises(StorageError, match="filer"):
        Egress(policy).check_proxied(host)
