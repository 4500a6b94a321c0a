"""Stands in for the kubelets of many nodes: pods live on a clock, and nothing runs."""
