"""Adapters of the taskmaster's ports."""
