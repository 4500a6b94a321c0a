"""Derives the state of a step from its objects. Pure."""
