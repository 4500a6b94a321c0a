"""The tesk command."""
