"""Connections to hosts that users name: which addresses they may have."""
