"""What a task needs and what came of it; no clock, network or disk."""
