"""Runs the steps of the tasks assigned to it."""
