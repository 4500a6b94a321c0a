"""Use cases of the command, through ports."""
