"""Carries out what operators ask for: ``tesk admin``."""
