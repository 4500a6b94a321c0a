"""Plans and results of steps: pure, without clock, network or disk."""
