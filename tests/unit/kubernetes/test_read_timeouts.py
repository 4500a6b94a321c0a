"""How long the API server may be silent."""

from datetime import timedelta
from typing import Any

import pytest
import urllib3

from servers.api_server import Script, serving
from tesk_kubernetes.client import RealKubernetesApi
from tesk_kubernetes.connection import Connection
from tesk_kubernetes.transport import Transport


class RecordingPool(urllib3.PoolManager):
    """Remembers the read timeouts of its requests."""

    def __init__(self) -> None:
        super().__init__(retries=False)
        self.read: list[object] = []

    def request(self, *args: Any, **options: Any) -> urllib3.BaseHTTPResponse:
        self.read.append(options["timeout"].read_timeout)
        return super().request(*args, **options)


@pytest.mark.parametrize(
    ("follow", "seconds"), [(True, None), (False, 30.0)], ids=["followed", "read"]
)
def test_only_a_log_that_is_followed_may_be_silent(
    *, follow: bool, seconds: float | None
) -> None:
    pool = RecordingPool()
    with serving(Script([(200, {}, "said\n")])) as server:
        connection = Connection(
            host=server, pool=pool, authorization=lambda: "", renew=lambda: None
        )
        api = RealKubernetesApi(Transport(connection, retry_for=timedelta(0)))

        with api.logs(
            "n", "pod", container="main", follow=follow, tail_lines=-1
        ) as chunks:
            assert b"".join(chunks) == b"said\n"

    assert pool.read == [seconds]
