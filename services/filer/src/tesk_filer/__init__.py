"""Transfers the files of one task in or out."""
