"""Runs taskmasters as pods; imported only in a cluster, since its client takes memory."""
