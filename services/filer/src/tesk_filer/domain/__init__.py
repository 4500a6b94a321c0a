"""What goes where: decided from plain data, without touching a file."""
