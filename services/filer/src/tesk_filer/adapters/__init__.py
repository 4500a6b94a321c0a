"""The volume, the storages and the scheduler as they really are."""
