"""Serves the gRPC services of the filer."""
