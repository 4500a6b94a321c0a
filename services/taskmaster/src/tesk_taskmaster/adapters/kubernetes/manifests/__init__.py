"""Renders the objects of an attempt. Pure."""
