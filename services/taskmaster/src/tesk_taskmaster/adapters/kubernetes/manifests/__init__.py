"""The objects of an attempt as data. Pure."""
