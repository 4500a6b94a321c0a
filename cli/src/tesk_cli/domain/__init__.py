"""Rules of the command: addresses, exit codes, formatting, restarts."""
