"""Defines what the scheduler needs of the outside world."""
