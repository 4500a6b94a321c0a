"""The TES REST API."""
