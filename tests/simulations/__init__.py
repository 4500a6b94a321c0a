"""Machines and clusters that run tasks step by step, for general rules."""
