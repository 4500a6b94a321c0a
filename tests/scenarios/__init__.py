"""Task flows that must work on every runtime: one list for all of them."""
