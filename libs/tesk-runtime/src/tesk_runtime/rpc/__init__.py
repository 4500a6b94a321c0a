"""gRPC plumbing: servers, channels, errors and the wire form of a task."""
