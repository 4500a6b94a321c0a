"""Python's collector of cycles, set for a service that has started."""

import gc

# Objects that are made, and not gone again, between two looks at the youngest ones.
# By default 700: less than one request makes, most of which go without the collector.
_YOUNG = 10_000


def settle() -> None:
    """Look no more at what there is now, which stays, and less often at what is new.

    Call it when everything is wired and nothing is served yet.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG)
