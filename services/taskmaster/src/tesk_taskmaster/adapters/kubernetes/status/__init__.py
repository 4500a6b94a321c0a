"""How a step of a cluster stands, by what its objects say. Pure."""
