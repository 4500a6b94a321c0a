# An image whose ENTRYPOINT would swallow a command, were it not replaced.
FROM busybox:latest
ENTRYPOINT ["/bin/echo", "the entrypoint ran"]
