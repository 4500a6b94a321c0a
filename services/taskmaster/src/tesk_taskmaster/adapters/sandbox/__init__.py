"""Executors in sandboxes of this machine, made by bubblewrap."""
