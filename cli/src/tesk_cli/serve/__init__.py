"""TESK on one machine: start the services, keep them up, stop them."""
