"""Real processes: TESK, its services and commands, and what is measured of them."""
