"""Runs a transfer through the ports."""
