"""One module for each kind of storage.

They are imported on demand: requests costs a tenth of a second of CPU.
"""
