"""The vocabulary of GA4GH TES 1.1: types and rules that all services share.

Standard library only. Nothing here knows JSON, protobuf, Kubernetes or a
database; each of those has its converter at the edge that owns the format.
"""
