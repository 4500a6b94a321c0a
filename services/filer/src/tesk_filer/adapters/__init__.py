"""Adapters of the volume, the storages and the scheduler."""
