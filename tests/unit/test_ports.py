"""The ports that tests give to servers."""

from concurrent.futures import ThreadPoolExecutor

from programs.ports import free_port


def test_no_port_is_given_twice() -> None:
    """A server that starts slowly finds the port it was told of unused."""
    with ThreadPoolExecutor(4) as threads:
        given = list(threads.map(lambda _: free_port(), range(50)))

    assert len(set(given)) == 50
