"""A cluster under test: calls on it, servers in it, TESK installed on it."""
