"""What the scheduler does, one module for each noun."""
