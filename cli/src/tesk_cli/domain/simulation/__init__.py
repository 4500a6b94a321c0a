"""Plays the scheduler's admission on a simulated clock, over a trace of submissions."""
