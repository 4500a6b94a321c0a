"""Taskmasters, their attempts, pods and launchers, in the process of the test."""
