"""The quota as settings: its form, what is refused, and what the rules make of it."""
