"""Schedulers in the process of the test, and their callers."""
