"""Valid objects of which a test names only what matters to it."""
