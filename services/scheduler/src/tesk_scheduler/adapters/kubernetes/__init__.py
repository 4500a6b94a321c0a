"""Taskmasters as pods; imported only where they are, for its client takes memory."""
