"""Quotas, admission and the durable state of every task."""
