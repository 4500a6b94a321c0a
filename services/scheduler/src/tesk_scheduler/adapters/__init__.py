"""Implements the ports: database, processes, pods, ids, metrics."""
