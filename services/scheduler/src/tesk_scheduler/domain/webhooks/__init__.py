"""Webhooks: who is told of the states of tasks, what, and when again."""
