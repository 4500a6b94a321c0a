"""Process plumbing that every TESK service shares: settings, logs, shutdown, gRPC.

Mechanism only. A decision of a service never moves here.
"""
