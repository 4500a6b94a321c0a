"""Rules of the command: addresses, what to tell, when to try again."""
