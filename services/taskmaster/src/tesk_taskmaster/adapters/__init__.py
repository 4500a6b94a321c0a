"""What the taskmaster uses of the outside world, one adapter per port."""
