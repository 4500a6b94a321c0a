"""Delivers webhooks: events of tasks to their receivers."""
