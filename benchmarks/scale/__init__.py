"""TESK with many tasks: a real scheduler and api, simulated taskmasters."""
