"""The settings of webhooks, and the file of their targets."""
