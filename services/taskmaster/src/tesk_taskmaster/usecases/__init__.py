"""What a taskmaster does, through its ports."""
