"""Tables of cases that several implementations must pass."""
