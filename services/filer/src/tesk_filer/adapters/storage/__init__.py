"""One module for each kind of storage.

``main`` imports them on demand: boto3 and requests cost a quarter of a second
of CPU, which a task with local files need not pay.
"""
