"""An HTTP/1.1 server whose peers hold nothing without a deadline."""
