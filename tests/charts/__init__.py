"""The chart, rendered and checked."""
