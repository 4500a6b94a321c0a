"""Implements the ports: server, validator, files."""
