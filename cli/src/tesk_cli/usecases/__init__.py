"""What the command does with a server, through ports."""
