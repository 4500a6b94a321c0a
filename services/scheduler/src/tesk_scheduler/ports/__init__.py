"""What the scheduler needs of the outside world."""
