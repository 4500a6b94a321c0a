"""Carrying out a transfer through the ports."""
