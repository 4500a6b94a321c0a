"""The runtime of one machine, with either engine."""
