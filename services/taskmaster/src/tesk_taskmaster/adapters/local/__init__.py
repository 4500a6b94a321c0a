"""Attempts on one machine: what is alike, whichever engine runs executors."""
