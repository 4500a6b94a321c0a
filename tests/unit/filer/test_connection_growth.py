"""Another connection is opened where threads wait for the network, not for a processor."""

import pytest

from tesk_filer.domain.connection_growth import Growth

LOGIN = 0.2  # seconds

CASES = {
    "the first file takes longer than a quarter of a login": (None, 1, 31, 0.06, True),
    "the first file has just begun": (None, 1, 31, 0.04, False),
    "a distant server": ((0.060, 0.0005), 1, 31, 0.0, True),
    "a distant server with enough of them": ((0.060, 0.0005), 31, 1, 0.0, False),
    "a server beside us": ((0.0013, 0.0004), 1, 31, 0.0, False),
    "a server beside us, asked by all processors": ((0.012, 0.0005), 8, 24, 0.0, False),
    "a large file before many": ((0.0013, 0.0004), 1, 31, 0.2, True),
}


@pytest.mark.parametrize(
    ("taken", "lent", "waiting", "waited", "want"), CASES.values(), ids=CASES
)
def test_connections_that_are_worth_a_login(
    *,
    taken: tuple[float, float] | None,
    lent: int,
    waiting: int,
    waited: float,
    want: bool,
) -> None:
    growth = Growth()
    growth.opened(LOGIN)
    if taken is not None:
        growth.returned(*taken)

    assert growth.is_worth(lent=lent, waiting=waiting, waited=waited) is want


def test_what_files_take_is_learnt_slowly() -> None:
    growth = Growth()
    growth.opened(LOGIN)
    growth.returned(0.001, 0.0004)
    growth.returned(1.0, 0.0004)  # a large one among the small

    assert growth.held == pytest.approx(0.126, rel=0.01)
