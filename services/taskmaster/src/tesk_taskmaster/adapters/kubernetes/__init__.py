"""Steps as Jobs of a cluster, on a volume claim of their attempt."""
