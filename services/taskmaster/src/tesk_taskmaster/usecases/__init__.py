"""The work of a taskmaster, through its ports."""
