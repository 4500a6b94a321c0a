"""The server, the validator and the files behind the ports."""
