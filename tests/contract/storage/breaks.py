"""How connections over HTTP break in tests of downloads."""

from servers.proxy import Break

# A part of the head, of a file or of nothing has arrived.
BREAKS = {
    "cut in the middle": Break(does="cut", after=200_000),
    "closed in the middle": Break(does="close", after=200_000),
    "stalled in the middle": Break(does="stall", after=200_000),
    "cut in the head": Break(does="cut", after=50),
    "closed at once": Break(does="close"),
    "stalled at once": Break(does="stall"),
}
