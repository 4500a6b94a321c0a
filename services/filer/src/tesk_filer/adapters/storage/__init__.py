"""One module for each kind of storage.

They are imported on demand: boto3 and requests cost a quarter of a second of CPU.
"""
