"""The outside world: database, processes, names, metrics."""
