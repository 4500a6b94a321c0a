"""Implements the ports: calls to the scheduler, access rules, user files."""
